import JSON

/// What an approver reads first: the places where a submission differs from the last live version.
enum ManifestDiff {
  /// `[{"pointer", "before", "after"}]`, objects compared member by member. Everything is new when
  /// there was no live version.
  static func between(_ before: JSONValue?, _ after: JSONValue) -> JSONValue {
    var changes: [JSONValue] = []
    compare(before, after, at: .root, into: &changes)
    return .array(changes)
  }

  private static func compare(
    _ before: JSONValue?, _ after: JSONValue?, at pointer: JSONPointer,
    into changes: inout [JSONValue]
  ) {
    guard before != after else { return }
    if case .object(let old)? = before, case .object(let new)? = after {
      let keys = old.keys + new.keys.filter { old[$0] == nil }
      for key in keys where pointer.tokens.isEmpty ? key != "version" : true {
        compare(old[key], new[key], at: pointer.appending(key), into: &changes)
      }
      return
    }
    if case .array(let old)? = before, case .array(let new)? = after, old.count == new.count {
      for index in old.indices {
        compare(old[index], new[index], at: pointer.appending(index), into: &changes)
      }
      return
    }
    changes.append([
      "pointer": .string(pointer.description), "before": before ?? .null, "after": after ?? .null,
    ])
  }
}
