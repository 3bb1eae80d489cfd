import JSON

extension PlanDocument {
  /// JSON Schema of the plan document, served at `/v1/schemas/plan`.
  static let schema = Schema.object([
    "name": Schema.text(1...200),
    "goals?": Schema.array(goal, max: 4),
    "class?": Schema.choice(MessageClass.allCases.map(\.rawValue)),
    "category?": Schema.text(1...64),
    "priority?": Schema.integer(0...100),
    "trigger": Trigger.schema,
    "audience?": Schema.ref("Condition"),
    "reentry?": Reentry.schema,
    "window?": Schema.object(["from?": Schema.instant, "until?": Schema.instant]),
    "steps": ["type": "array", "minItems": 1, "maxItems": 50, "items": step],
    "experiment?": Experiment.schema,
    "holdout?": ["type": "number", "minimum": 0, "maximum": .double(0.5)],
    "limits?": Schema.object([
      "audience?": Schema.integer(1...1_000_000_000),
      "per_minute?": Schema.integer(1...100_000_000),
      "coupons?": Schema.map(Schema.integer(1...1_000_000_000)),
      "allow_partial_stock?": Schema.bool,
    ]),
    "pressure?": Pressure.schema,
    "exit?": Schema.object(["on_goal?": Schema.bool, "on_leaving_audience?": Schema.bool]),
    "quiet_hours?": Schema.object([
      "from": timeOfDay, "until": timeOfDay, "zone?": Schema.string,
      "on_hit?": Schema.choice(QuietHours.OnHit.allCases.map(\.rawValue)),
    ]),
  ])

  private static let goal = Schema.object([
    "stage": Schema.choice(Goal.Stage.allCases.map(\.rawValue)), "event": Schema.text(1...200),
    "within": Schema.duration, "primary?": Schema.bool,
    "target_rate?": ["type": "number", "minimum": 0, "maximum": 1],
  ])

  static let link = Schema.object([
    "channel": Schema.choice(Channel.allCases.map(\.rawValue)), "template?": Schema.key,
    "coupon?": Schema.key, "after?": Schema.duration,
    "unless?": Schema.choice(["delivered", "opened", "clicked"]),
  ])

  static let timeOfDay: JSONValue = [
    "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
  ]
}
