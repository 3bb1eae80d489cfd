import HTTP
import JSON

enum TrackingRoutes {
  static func endpoints(_ tracking: Tracking) -> [Endpoint] {
    let single = TrackingKind.allCases.map { kind in
      endpoint(tracking, kind.rawValue, kind, Schema.ref("TrackingMessage"))
    }
    let batch = endpoint(
      tracking, "batch", nil,
      .object([
        "type": "object", "required": ["batch"],
        "properties": [
          "batch": Schema.array(Schema.item(Schema.ref("TrackingMessage"))),
          "sentAt": Schema.any, "context": Schema.any, "writeKey": Schema.any,
        ],
      ]))
    return single + [batch]
  }

  static let components: JSONObject = ["TrackingMessage": message, "TrackingReceipt": receipt]

  private static func endpoint(
    _ tracking: Tracking, _ name: String, _ kind: TrackingKind?, _ request: JSONValue
  ) -> Endpoint {
    var endpoint = Endpoint(
      .post, "/v1/\(name)", .roles([.admin, .operator, .ingest]),
      Operation(
        name,
        "Segment's tracking API. The key is a write key: the user name of Basic, or `writeKey` in "
          + "the body. Also at /v1/\(alias(name)), and with a trailing slash.",
        tag: "Events", request: request, requestTypes: ["application/json", "*/*"],
        responses: [200: Schema.ref("TrackingReceipt")], errors: [.batchTooLarge]),
      body: .buffered(limit: TrackingLimits.bodyCeiling)
    ) { call in
      try await tracking.accept(call.request.body, kind, by: call.caller, now: call.now)
      return .json(200, ["success": true])
    }
    let paths = [name, alias(name)] + (kind == nil ? ["import"] : [])
    endpoint.aliases = paths.flatMap { ["/v1/\($0)", "/v1/\($0)/"] }.filter {
      $0 != endpoint.pattern
    }
    endpoint.allowsAnyOrigin = true
    endpoint.keyInBody = { TrackingBody.writeKey(in: $0) }
    return endpoint
  }

  /// What analytics.js calls it.
  private static func alias(_ name: String) -> String { String(name.prefix(1)) }

  /// Open: what has no meaning here is kept.
  private static let message: JSONValue = [
    "type": "object",
    "description": .string(
      "A call as Segment's clients send it. One that is no good is answered with success and found "
        + "at /v1/violations."),
    "properties": [
      "type": Schema.any, "messageId": Schema.any, "userId": Schema.any, "anonymousId": Schema.any,
      "previousId": Schema.any, "groupId": Schema.any, "event": Schema.any, "name": Schema.any,
      "category": Schema.any, "properties": Schema.any, "traits": Schema.any,
      "context": Schema.any, "integrations": Schema.any, "timestamp": Schema.any,
      "originalTimestamp": Schema.any, "sentAt": Schema.any,
    ],
  ]

  private static let receipt = Schema.object(["success": ["const": true]])
}
