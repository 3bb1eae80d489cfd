import JSON

/// How fast a plan goes: as approved, or slower since somebody said so.
struct PlanPace: Sendable {
  /// `limits.per_minute` of the live version, or else of the draft.
  let approvedPerMinute: Int?
  let setPerSecond: Double?

  static let range = 0.001...1_000_000.0

  var json: JSONValue {
    let approved = approvedPerMinute.map { Double($0) / 60 }
    let effective = [approved, setPerSecond].compactMap(\.self).min()
    return [
      "per_second": setPerSecond.map(JSONValue.double) ?? .null,
      "approved_per_minute": .optional(approvedPerMinute),
      "effective_per_second": effective.map(JSONValue.double) ?? .null,
    ]
  }
}
