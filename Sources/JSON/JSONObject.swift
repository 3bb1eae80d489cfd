/// Members in document order. Keys compare by bytes; the scanner refuses duplicates.
public struct JSONObject: Sendable, Equatable, Sequence, ExpressibleByDictionaryLiteral {
  public private(set) var members: [(key: String, value: JSONValue)]

  public init() { members = [] }
  /// The keys must differ.
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

  /// The members in the byte order of their keys.
  public var sorted: JSONObject {
    JSONObject(members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
  }

  /// Order does not matter, as in jsonb.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    guard left.count == right.count else { return false }
    return left.sorted.members.elementsEqual(right.sorted.members) {
      $0.key.utf8.elementsEqual($1.key.utf8) && $0.value == $1.value
    }
  }
}
