import JSON

/// What an approver reads first: the places where a submission differs from the last live version.
enum ManifestDiff {
  /// `[{"pointer", "before", "after", "text"}]`, objects compared member by member, steps, goals and
  /// other things with a name by their names. Everything is new when there was no live version.
  static func between(_ before: JSONValue?, _ after: JSONValue) -> JSONValue {
    guard let before else {
      return .array([
        [
          "pointer": "", "before": .null, "after": after,
          "text": "No version of this plan was live before: everything is new.",
        ]
      ])
    }
    var changes: [JSONValue] = []
    compare(before, after, at: Place(), into: &changes)
    return .array(changes)
  }

  static let schema = Schema.array(
    Schema.object([
      "pointer": Schema.string, "before": Schema.any, "after": Schema.any, "text": Schema.string,
    ]))

  /// Where a value stands, for machines and for people.
  private struct Place {
    var pointer = JSONPointer.root
    var words: [String] = []

    func member(_ key: String) -> Place {
      var words = words
      switch (pointer.tokens.first, pointer.tokens.count) {
      case (nil, _): words = key == "document" ? [] : [key.replacing("_", with: " ")]
      case ("templates", 1), ("coupons", 1), ("senders", 1), ("tags", 1):
        words = [String(pointer.tokens[0].dropLast()) + " '\(key)'"]
      default: words.append(key.replacing("_", with: " "))
      }
      return Place(pointer: pointer.appending(key), words: words)
    }

    func element(_ index: Int, _ name: String?) -> Place {
      var words = words
      let list = words.popLast() ?? ""
      let one = list.hasSuffix("s") ? String(list.dropLast()) : list
      words.append(name.map { "\(one) '\($0)'" } ?? "\(list) \(index + 1)")
      return Place(pointer: pointer.appending(index), words: words)
    }

    var text: String { words.joined(separator: ", ") }
  }

  private static func compare(
    _ before: JSONValue?, _ after: JSONValue?, at place: Place, into changes: inout [JSONValue]
  ) {
    guard before != after else { return }
    if case .object(let old)? = before, case .object(let new)? = after {
      let keys = old.keys + new.keys.filter { old[$0] == nil }
      for key in keys where place.pointer.tokens.isEmpty ? key != "version" : true {
        compare(old[key], new[key], at: place.member(key), into: &changes)
      }
      return
    }
    if case .array(let old)? = before, case .array(let new)? = after {
      if let names = Self.names(old), let others = Self.names(new) {
        return compare(old, names, new, others, at: place, into: &changes)
      }
      if old.count == new.count {
        for index in old.indices {
          compare(old[index], new[index], at: place.element(index, nil), into: &changes)
        }
        return
      }
    }
    changes.append(change(before, after, at: place))
  }

  /// Elements of the same name are one; those that moved only are told by the list's new order.
  private static func compare(
    _ old: [JSONValue], _ names: [String], _ new: [JSONValue], _ others: [String],
    at place: Place, into changes: inout [JSONValue]
  ) {
    for (index, name) in names.enumerated() where !others.contains(name) {
      changes.append(change(old[index], nil, at: place.element(index, name)))
    }
    for (index, name) in others.enumerated() {
      let known = names.firstIndex(of: name).map { old[$0] }
      compare(known, new[index], at: place.element(index, name), into: &changes)
    }
    let kept = names.filter(others.contains)
    let order = others.filter(names.contains)
    guard kept != order else { return }
    changes.append([
      "pointer": .string(place.pointer.description),
      "before": .array(kept.map(JSONValue.string)), "after": .array(order.map(JSONValue.string)),
      "text": .string("\(place.text): in another order: \(order.joined(separator: ", "))"),
    ])
  }

  private static func names(_ elements: [JSONValue]) -> [String]? {
    let names = elements.compactMap { $0["id"]?.stringValue ?? $0["key"]?.stringValue }
    return names.count == elements.count && Set(names).count == names.count ? names : nil
  }

  private static func change(
    _ before: JSONValue?, _ after: JSONValue?, at place: Place
  ) -> JSONValue {
    let text =
      switch (before, after) {
      case (nil, let after?): "\(place.text) is new: \(shown(after))"
      case (let before?, nil): "\(place.text) is gone; it was \(shown(before))"
      default: "\(place.text): \(shown(before ?? .null)) becomes \(shown(after ?? .null))"
      }
    return [
      "pointer": .string(place.pointer.description), "before": before ?? .null,
      "after": after ?? .null, "text": .string(text),
    ]
  }

  private static let longest = 300

  private static func shown(_ value: JSONValue) -> String {
    let text = value.stringValue.map { "“\($0)”" } ?? value.text
    return text.count > longest ? text.prefix(longest) + "…" : text
  }
}
