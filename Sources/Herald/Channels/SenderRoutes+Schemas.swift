import JSON

extension SenderRoutes {
  static let components: JSONObject = ["Sender": sender, "SenderTest": senderTest]

  static func request(_ registry: AdapterRegistry) -> JSONValue {
    Schema.object([
      "channel": Schema.choice(Channel.allCases.map(\.rawValue)),
      "adapter": Schema.choice(registry.kinds.map(\.name)),
      "config": Schema.oneOf(registry.kinds.map(\.configSchema)),
      "weight?": Schema.integer(0...1000), "pace?": pace,
      "concurrency?": Schema.integer(1...1024), "timeout?": Schema.duration,
    ])
  }

  private static let pace = Schema.object([
    "per_second?": ["type": "number", "exclusiveMinimum": 0],
    "per_day?": Schema.integer(1...1_000_000_000_000),
  ])

  private static let sender = Schema.object([
    "key": Schema.key, "channel": Schema.choice(Channel.allCases.map(\.rawValue)),
    "adapter": Schema.string,
    // Differs by adapter; secret fields read "***".
    "config": Schema.map(Schema.any),
    "weight": Schema.integer(0...1000), "pace": Schema.nullable(pace),
    "concurrency": Schema.integer(1...1024), "timeout": Schema.duration,
    "state": Schema.choice(Sender.State.allCases.map(\.rawValue)),
    "state_reason": Schema.nullable(Schema.string), "version": Schema.count,
    "created_at": Schema.instant, "updated_at": Schema.instant,
  ])

  static let testRequest = Schema.object([
    "to": Schema.oneOf(
      Address.Kind.allCases.map { kind in
        .object([
          "type": "object", "required": [.string(kind.rawValue)], "additionalProperties": false,
          "properties": .object([kind.rawValue: Schema.text(1...4096)]),
        ])
      }),
    "content": Schema.map(Schema.any),
  ])

  private static let senderTest = Schema.object([
    "outcome": Schema.choice(["sent", "retry", "rejected", "sender_fault", "unknown"]),
    "provider_id": Schema.nullable(Schema.string), "reason": Schema.nullable(Schema.string),
    "retry_after": Schema.nullable(Schema.number), "address_dead": Schema.bool,
  ])
}
