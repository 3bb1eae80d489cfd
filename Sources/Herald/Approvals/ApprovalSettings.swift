import JSON

/// What holds of all submissions; a part of the settings, so that a change of it needs a second
/// principal.
public struct ApprovalSettings: Sendable, Equatable {
  public var rules: [ApprovalRule] = []
  /// A submission nobody decides on is void after this long.
  public var expireAfter = Self.span("14d")
  /// Those who may decide are reminded after this long, and again as often; nil: never.
  public var remindAfter: TimeSpan? = Self.span("1d")

  public init() {}

  private static func span(_ text: String) -> TimeSpan { TimeSpan(text) ?? .maximum }

  private static let spans: ClosedRange<TimeSpan> = span("1m")...span("365d")
}

extension ApprovalSettings {
  init(_ reader: ObjectReader) {
    self.init()
    let elements = reader.array("rules", count: 0...ApprovalRule.maximum) ?? []
    for element in elements {
      guard let object = ObjectReader(element.value, at: element.pointer, faults: reader.faults),
        let rule = ApprovalRule(object)
      else { continue }
      if rules.contains(where: { $0.name == rule.name }) {
        object.add("duplicate", "name", "Two rules are named '\(rule.name)'; name one otherwise.")
      }
      rules.append(rule)
    }
    if let span = reader.duration("expire_after", range: Self.spans) { expireAfter = span }
    if reader.isNull("remind_after") {
      reader.allow("remind_after")
      remindAfter = nil
    } else if let span = reader.duration("remind_after", range: Self.spans) {
      remindAfter = span
    }
    reader.finish()
  }

  var json: JSONValue {
    [
      "rules": .array(rules.map(\.json)), "expire_after": .string(expireAfter.description),
      "remind_after": .optional(remindAfter?.description),
    ]
  }

  static func schema(optional: Bool) -> JSONValue {
    let mark = optional ? "?" : ""
    return Schema.object([
      "rules" + mark: Schema.array(ApprovalRule.schema, max: ApprovalRule.maximum),
      "expire_after" + mark: Schema.duration,
      "remind_after" + mark: Schema.nullable(Schema.duration),
    ])
  }
}
