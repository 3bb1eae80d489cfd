import HTTP
import JSON

enum ViolationRoutes {
  static func endpoints(_ violations: Violations) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/violations", .readers,
        Operation(
          "listViolations",
          "What clients of the tracking API sent that was refused, or stored though something was "
            + "wrong with it, and events that their declared schema flags; newest first, kept 30 "
            + "days.", tag: "Events",
          query: Operation.paging + [
            .init(
              "source", Schema.string, "The way it came in: tracking; of flagged events also api."),
            .init("event", Schema.string, "Only flagged events of this name."),
            .init("principal", Schema.string, "Whose key it came with."),
            .init("code", Schema.string, "What was wrong."),
            .init(
              "stored", Schema.choice(["true", "false"]), "Whether it was stored all the same."),
            .init("since", Schema.instant, "Only those at or after."),
            .init("until", Schema.instant, "Only those before."),
          ], responses: [200: Schema.page(Schema.ref("Violation"))])
      ) { call in
        let request = call.request
        let filter = Violations.Filter(
          source: request.query("source"), principal: request.query("principal"),
          code: request.query("code"),
          isStored: try request.choice("stored", ["true", "false"]).map { $0 == "true" },
          event: request.query("event"), since: try request.instant("since"),
          until: try request.instant("until"))
        let page = try await violations.list(
          try PageRequest(request, width: 2), filter, for: call.caller, now: call.now)
        return .page(page, request) { $0.json(masked: call.caller.seesMasked) }
      }
    ]
  }

  static let components: JSONObject = [
    "Violation": Schema.object([
      "id": Schema.uuid, "at": Schema.instant, "source": Schema.string,
      "principal": Schema.string, "code": Schema.string, "pointer": Schema.string,
      "detail": Schema.string, "stored": Schema.bool, "message_id": Schema.nullable(Schema.string),
      "event": Schema.nullable(Schema.string), "user": Schema.nullable(Schema.uuid),
      "payload": Schema.nullable(Schema.string), "payload_bytes": Schema.count,
    ])
  ]
}

extension Violation {
  func json(masked: Bool) -> JSONValue {
    [
      "id": .id(id), "at": .instant(at), "source": .string(source),
      "principal": .string(principal), "code": .string(code), "pointer": .string(pointer),
      "detail": .string(detail), "stored": .bool(isStored), "message_id": .optional(messageID),
      "event": .optional(event), "user": user.map(JSONValue.id) ?? .null,
      "payload": masked ? .null : .string(payload), "payload_bytes": .int(payloadBytes),
    ]
  }
}
