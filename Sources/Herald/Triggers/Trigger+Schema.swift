import JSON

extension PlanDocument.Trigger {
  /// JSON Schema of the member `trigger`.
  static let schema = Schema.oneOf([
    Schema.object([
      "segment": Schema.key, "at": Schema.oneOf([["const": "now"], Schema.instant]),
    ]),
    Schema.object([
      "segment": Schema.key, "cron": Schema.text(9...100), "zone": zone,
      "until?": Schema.instant,
    ]),
    Schema.object([
      "event": eventName, "where?": filters,
      "occurrence?": Schema.choice(EventTrigger.Occurrence.allCases.map(\.rawValue)),
      "unless?": Schema.object([
        "event": eventName, "within": Schema.duration, "same?": property, "where?": filters,
      ]),
      "delay?": Schema.duration,
    ]),
    Schema.object([
      "date": Schema.oneOf([
        property,
        Schema.object([
          "event": eventName, "where?": filters,
          "pick?": Schema.choice(DateTrigger.Pick.allCases.map(\.rawValue)),
        ]),
      ]),
      "offset?": ["type": "string", "pattern": "^-?[0-9]{1,9}[dw]$"], "at": timeOfDay,
      "zone?": zone, "repeat?": Schema.choice(DateTrigger.Repeat.allCases.map(\.rawValue)),
    ]),
    Schema.object(["api": ["const": true]]),
    Schema.object([
      "scene": Schema.text(1...128), "where?": filters, "match?": Schema.array(match, max: 10),
      "segment?": Schema.key,
    ]),
  ])

  private static let match = Schema.oneOf([
    Schema.object(["property": property, "attribute": property]),
    Schema.object(["property": property, "tag": Schema.key]),
    Schema.object([
      "property": property, "event": eventName, "event_property?": property,
      "within?": Schema.duration,
    ]),
  ])
  private static let eventName = Schema.text(1...200)
  private static let property = Schema.text(1...128)
  /// `user` or an IANA zone.
  fileprivate static let zone = Schema.text(1...64)
  private static let filters = Schema.array(Schema.ref("Condition_property"), max: 100)
  private static let timeOfDay: JSONValue = [
    "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
  ]
}

extension Reentry {
  static let schema = Schema.object([
    "limit": Schema.integer(1...1000),
    "per?": Schema.oneOf([
      Schema.duration,
      Schema.object([
        "calendar": Schema.choice(Period.Unit.allCases.map(\.rawValue)),
        "zone?": PlanDocument.Trigger.zone,
      ]),
    ]),
    "key?": Schema.text(1...128),
  ])
}
