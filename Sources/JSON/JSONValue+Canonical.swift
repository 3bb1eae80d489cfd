extension JSONValue {
  /// The one text of this value for hashing: members sorted by the bytes of their keys, no space,
  /// one writing for each number.
  public var canonicalBytes: [UInt8] {
    var out: [UInt8] = []
    sorted.write(to: &out)
    return out
  }

  private var sorted: JSONValue {
    switch self {
    case .array(let elements): .array(elements.map(\.sorted))
    case .object(let object):
      .object(
        JSONObject(
          object.members.map { (key: $0.key, value: $0.value.sorted) }
            .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }))
    case .number(let number): .number(JSONNumber(scanned: number.canonicalText))
    default: self
    }
  }
}
