import Foundation
import JSON

/// What the values of a declared attribute are. The table `attributes` says the same.
enum AttributeType: String, Sendable, CaseIterable {
  case string, number, integer, boolean, array, object, date, instant

  func fits(_ value: JSONValue) -> Bool {
    switch (self, value) {
    case (.string, .string), (.number, .number), (.boolean, .bool), (.array, .array),
      (.object, .object):
      true
    case (.integer, .number(let number)): number.isInteger
    case (.date, .string(let text)): CivilDay(text) != nil
    case (.instant, .string(let text)): Date(rfc3339: text) != nil
    default: false
    }
  }

  /// With its article, for sentences.
  var sentence: String {
    switch self {
    case .date: "a date such as 2026-11-20"
    case .instant: "an instant with an offset such as 2026-11-20T10:00:00+08:00"
    case .integer: "an integer"
    case .array: "an array"
    case .object: "an object"
    case .string, .number, .boolean: "a \(rawValue)"
    }
  }

  /// A cell of a table, which was read as what it looks like, as a value of this type. What cannot be
  /// one stays as it is.
  func reading(cell value: JSONValue) -> JSONValue {
    switch (self, value) {
    case (.string, .number(let number)): return .string(number.text)
    case (.string, .bool(let flag)): return .string(flag ? "true" : "false")
    case (.number, .string(let text)), (.integer, .string(let text)):
      return JSONNumber(text).map(JSONValue.number) ?? value
    case (.array, .string(let text)), (.object, .string(let text)):
      guard let read = try? JSONScanner.parse(Array(text.utf8)), fits(read) else { return value }
      return read
    default: return value
    }
  }

  /// Whether two values of this type make one by the rule.
  func allows(_ rule: AttributeRule) -> Bool {
    switch rule {
    case .sum: self == .number || self == .integer
    case .union: self == .array
    case .newest, .oldest, .max, .min, .survivor: true
    }
  }
}

extension AttributeOperation {
  /// Why it could not leave a value of the type, whatever there was before; nil when it could.
  func fault(of type: AttributeType) -> JSONFault? {
    switch self {
    case .unset: return nil
    case .set(let value), .setIfAbsent(let value):
      if type.fits(value) { return nil }
      return Self.fault("The attribute is declared as \(type.sentence); this is \(value.article).")
    case .increment(let number):
      if type == .number || (type == .integer && number.isInteger) { return nil }
      return Self.fault(
        type == .integer
          ? "The attribute is declared as an integer; it can grow by integers only."
          : "The attribute is declared as \(type.sentence); only numbers can be incremented.")
    case .append, .remove:
      if type == .array { return nil }
      return Self.fault(
        "The attribute is declared as \(type.sentence); only arrays are appended to and removed from."
      )
    }
  }

  private static func fault(_ detail: String) -> JSONFault { JSONFault(.typeMismatch, detail) }
}

/// The declared types of the attributes that a batch of changes names.
struct AttributeTypes: Sendable {
  private let types: [String: AttributeType]

  init(_ types: [String: AttributeType]) { self.types = types }

  var isEmpty: Bool { types.isEmpty }

  subscript(_ key: String) -> AttributeType? { types[key] }

  /// What does not fit, with pointers to the attributes.
  func faults(of changes: AttributeChanges) -> [JSONFault] {
    guard !isEmpty else { return [] }
    return changes.steps.compactMap { step in
      types[step.key].flatMap { step.operation.fault(of: $0) }?
        .inside(JSONPointer(tokens: [step.key]))
    }
  }

  /// The change with cells of a table read as the types they are declared to be.
  func reading(_ change: UserChange) -> UserChange {
    guard !isEmpty, change.isOfCells else { return change }
    var change = change
    change.attributes = change.attributes.mapValues { key, value in
      types[key]?.reading(cell: value) ?? value
    }
    return change
  }
}
