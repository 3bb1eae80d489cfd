import JSON

extension RaceStore.Race {
  var json: JSONValue {
    [
      "version": .int(name.version), "occurrence": .string(name.occurrence),
      "look_at": .instant(lookAt), "winner": .optional(winner), "status": .optional(status),
      "figures": figures ?? .null, "decided_at": .instant(decidedAt),
    ]
  }

  static let schema = Schema.object([
    "version": Schema.count, "occurrence": Schema.string, "look_at": Schema.instant,
    "winner": Schema.nullable(Schema.string),
    "status": Schema.nullable(Schema.choice(RaceRule.Verdict.Status.allCases.map(\.rawValue))),
    "figures": Schema.nullable(
      Schema.array(
        Schema.object([
          "variant": Schema.string, "sent": Schema.count, "answered": Schema.count,
        ]))), "decided_at": Schema.nullable(Schema.instant),
  ])
}
