/// Header fields in the order they came; names compare without case (RFC 9110 section 5.1).
public struct HTTPHeaders: Sendable, Sequence, ExpressibleByDictionaryLiteral {
  public private(set) var fields: [(name: String, value: String)]

  public init() { fields = [] }
  public init(_ fields: [(name: String, value: String)]) { self.fields = fields }
  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { (name: $0.0, value: $0.1) }
  }

  public var isEmpty: Bool { fields.isEmpty }
  public var count: Int { fields.count }

  /// The first field's value; assigning replaces every field of the name, nil removes them.
  public subscript(name: String) -> String? {
    get { fields.first { Self.same($0.name, name) }?.value }
    set {
      guard let newValue else { return remove(name) }
      set(name, newValue)
    }
  }

  /// Every value sent under the name, in order; a comma-separated list is not taken apart.
  public func values(for name: String) -> [String] {
    fields.filter { Self.same($0.name, name) }.map(\.value)
  }

  public func contains(_ name: String) -> Bool { fields.contains { Self.same($0.name, name) } }

  /// Leaves exactly one field of the name, at the place of the first.
  public mutating func set(_ name: String, _ value: String) {
    guard let index = fields.firstIndex(where: { Self.same($0.name, name) }) else {
      return fields.append((name, value))
    }
    fields[index].value = value
    guard fields.count > index + 1 else { return }
    let rest = fields[(index + 1)...].filter { !Self.same($0.name, name) }
    fields.replaceSubrange((index + 1)..., with: rest)
  }

  public mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }

  public mutating func remove(_ name: String) {
    fields.removeAll { Self.same($0.name, name) }
  }

  public func makeIterator() -> IndexingIterator<[(name: String, value: String)]> {
    fields.makeIterator()
  }

  /// Whether two field names are equal but for the case of ASCII letters.
  static func same(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count
      && left.utf8.elementsEqual(right.utf8) { ASCII.lowercase($0) == ASCII.lowercase($1) }
  }
}
