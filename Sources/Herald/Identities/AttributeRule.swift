import JSON

/// What becomes of an attribute that both of two merged users have.
enum AttributeRule: String, Sendable, CaseIterable {
  case newest, oldest, max, min, sum, union, survivor

  struct Written: Sendable, Equatable {
    let value: JSONValue
    /// Microseconds since 1970.
    let at: Int
  }

  /// `one` is the surviving user's. Values that a rule cannot be applied to merge by `newest`.
  func merged(_ one: Written, _ other: Written) -> Written {
    let newest = other.at > one.at ? other : one
    switch self {
    case .newest: return newest
    case .oldest: return other.at < one.at ? other : one
    case .survivor: return one
    case .max, .min:
      guard let isLess = Self.isLess(one.value, other.value) else { return newest }
      return isLess == (self == .max) ? other : one
    case .sum:
      guard case .number(let a) = one.value, case .number(let b) = other.value else {
        return newest
      }
      return Written(value: .number(a + b), at: newest.at)
    case .union:
      let all = Self.elements(one.value) + Self.elements(other.value)
      var distinct: [JSONValue] = []
      for element in all where !distinct.contains(element) { distinct.append(element) }
      return Written(value: .array(distinct), at: newest.at)
    }
  }

  /// Nil for what has no order.
  private static func isLess(_ one: JSONValue, _ other: JSONValue) -> Bool? {
    switch (one, other) {
    case (.number(let a), .number(let b)): a < b
    case (.string(let a), .string(let b)): a.utf8.lexicographicallyPrecedes(b.utf8)
    case (.bool(let a), .bool(let b)): !a && b
    default: nil
    }
  }

  private static func elements(_ value: JSONValue) -> [JSONValue] {
    value.arrayValue ?? [value]
  }
}
