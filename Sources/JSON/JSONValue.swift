/// A JSON document (RFC 8259) that loses nothing: numbers keep their text, members their order.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)

  /// The member of an object; nil for other kinds and for an absent key. Keys compare by bytes.
  public subscript(key: String) -> JSONValue? {
    if case .object(let object) = self { object[key] } else { nil }
  }

  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
  public var numberValue: JSONNumber? { if case .number(let value) = self { value } else { nil } }
  /// The exact integer, or nil when this is no number, has a fraction or does not fit.
  public var intValue: Int? { numberValue?.intValue }
  public var doubleValue: Double? { numberValue?.doubleValue }
  public var isNull: Bool { self == .null }

  /// The JSON Schema name of this kind: `null`, `boolean`, `number`, `string`, `array`, `object`.
  public var kind: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .number: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  /// Strings compare by bytes, as PostgreSQL does; Swift's own `==` is canonical.
  public static func == (left: JSONValue, right: JSONValue) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.bool(let a), .bool(let b)): a == b
    case (.number(let a), .number(let b)): a == b
    case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
    case (.array(let a), .array(let b)): a == b
    case (.object(let a), .object(let b)): a == b
    default: false
    }
  }
}

/// A number as its JSON text; equality is by value of the text's exact decimal.
public struct JSONNumber: Sendable, Equatable, CustomStringConvertible {
  /// The literal as it stood in the document; valid JSON.
  public let text: String

  /// `text` must be a valid JSON number literal; only the scanner calls this.
  init(scanned text: String) { self.text = text }

  public init(_ value: Int) { text = String(value) }

  /// Nil for NaN and the infinities, which JSON cannot say.
  public init?(_ value: Double) {
    guard value.isFinite else { return nil }
    text =
      value == value.rounded() && abs(value) < 9_007_199_254_740_992
      ? String(Int64(value)) : "\(value)"
  }

  /// The exact integer, also for `1.0` and `1e3`; nil with a fraction or out of range.
  public var intValue: Int? {
    if let value = Int(text) { return value }
    guard let value = Double(text) else { return nil }
    guard abs(value) < 9_007_199_254_740_992 else { return nil }
    return Int(exactly: value)
  }

  public var doubleValue: Double { Double(text) ?? .nan }
  public var description: String { text }

  public static func == (left: JSONNumber, right: JSONNumber) -> Bool {
    left.text == right.text || left.doubleValue == right.doubleValue
  }
}

/// Members in document order. Keys compare by bytes; the scanner refuses duplicates.
public struct JSONObject: Sendable, Equatable, Sequence, ExpressibleByDictionaryLiteral {
  public private(set) var members: [(key: String, value: JSONValue)]

  public init() { members = [] }
  public init(_ members: [(key: String, value: JSONValue)]) { self.members = members }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    members = elements.map { (key: $0.0, value: $0.1) }
  }

  public var count: Int { members.count }
  public var isEmpty: Bool { members.isEmpty }
  public var keys: [String] { members.map(\.key) }

  /// Linear in the number of members: objects of an API are small.
  public subscript(key: String) -> JSONValue? {
    get { members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value }
    set {
      let index = members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
      switch (index, newValue) {
      case (let index?, let value?): members[index].value = value
      case (let index?, nil): members.remove(at: index)
      case (nil, let value?): members.append((key, value))
      case (nil, nil): break
      }
    }
  }

  public func makeIterator() -> Array<(key: String, value: JSONValue)>.Iterator {
    members.makeIterator()
  }

  /// Order does not matter, as in jsonb.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements.map { (key: $0.0, value: $0.1) }))
  }

  public static func int(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
  /// NaN and the infinities become null.
  public static func double(_ value: Double) -> JSONValue {
    JSONNumber(value).map(JSONValue.number) ?? .null
  }
  /// Null for nil.
  public static func optional(_ value: String?) -> JSONValue {
    value.map(JSONValue.string) ?? .null
  }
  public static func optional(_ value: Int?) -> JSONValue { value.map(JSONValue.int) ?? .null }
}
