/// The prepared statements of one connection, the least recently used one leaving first.
struct StatementCache {
  static let capacity = 256

  /// Text and parameter types. The text is compared byte by byte: `String` would call "é" and
  /// "e\u{301}" the same.
  struct Key: Hashable {
    let text: String
    let types: [UInt32]

    static func == (left: Key, right: Key) -> Bool {
      left.types == right.types && left.text.utf8.elementsEqual(right.text.utf8)
    }

    func hash(into hasher: inout Hasher) {
      var text = text
      text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
  }

  private struct Entry {
    let name: String
    var lastUse: UInt64
  }

  private var entries: [Key: Entry] = [:]
  private var clock: UInt64 = 0
  private var names: UInt64 = 0

  var count: Int { entries.count }

  mutating func name(for key: Key) -> String? {
    clock += 1
    guard let index = entries.index(forKey: key) else { return nil }
    entries.values[index].lastUse = clock
    return entries.values[index].name
  }

  /// A name that this connection has not used yet.
  mutating func freshName() -> String {
    names += 1
    return "s\(names)"
  }

  mutating func insert(_ key: Key, name: String) {
    clock += 1
    entries[key] = Entry(name: name, lastUse: clock)
  }

  mutating func remove(_ key: Key) { entries[key] = nil }

  /// Forgets all statements; their names are not used again.
  mutating func removeAll() { entries = [:] }

  /// What has to be deallocated before another statement is prepared.
  var overdue: (key: Key, name: String)? {
    guard entries.count >= Self.capacity else { return nil }
    return entries.min { $0.value.lastUse < $1.value.lastUse }.map { ($0.key, $0.value.name) }
  }
}
