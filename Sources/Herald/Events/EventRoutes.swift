import HTTP
import JSON

enum EventRoutes {
  static func endpoints(_ events: Events) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/events", .roles([.admin, .operator, .ingest]),
        Operation(
          "postEvents",
          "Send events; what is counted as accepted is durable. `attributes` changes the user in the "
            + "same transaction, once however often the message comes.", tag: "Events",
          request: Schema.object([
            "events": Schema.array(Schema.item(Schema.ref("Event")), max: EventParser.limit)
          ]), responses: [200: Schema.ref("EventReceipt")]), body: .buffered(limit: 16 << 20)
      ) { call in
        let receipt = try await events.accept(call.request.body, by: call.caller, now: call.now)
        return .json(200, receipt.json)
      }
    ]
  }

  static let components: JSONObject = ["Event": event, "EventReceipt": receipt]

  private static let event = Schema.object([
    "message_id?": Schema.text(1...256),
    "user": Schema.oneOf([
      Schema.text(1...320),
      Schema.members(
        IdentityKind.all.map { ($0.key, Schema.text(1...255)) }, others: Schema.text(1...255)),
    ]),
    "name": Schema.text(1...128), "timestamp?": Schema.instant,
    "properties?": Schema.map(Schema.any),
    "attributes?": Schema.ref("AttributeChanges"),
  ])

  private static let receipt = Schema.object([
    "accepted": Schema.count, "duplicates": Schema.count,
    "rejected": Schema.array(
      Schema.object([
        "index": Schema.count, "code": Schema.string, "pointer": Schema.string,
        "detail": Schema.string,
      ])),
    "not_deduplicated?": Schema.count,
  ])
}

extension Events.Receipt {
  var json: JSONValue {
    var json: JSONObject = [
      "accepted": .int(accepted), "duplicates": .int(duplicates),
      "rejected": .array(
        rejected.map {
          [
            "index": .int($0.index), "code": .string($0.code), "pointer": .string($0.pointer),
            "detail": .string($0.detail),
          ]
        }),
    ]
    // Said only where it matters: sent again, these would be stored twice.
    if unkeyed > 0 { json["not_deduplicated"] = .int(unkeyed) }
    return .object(json)
  }
}
