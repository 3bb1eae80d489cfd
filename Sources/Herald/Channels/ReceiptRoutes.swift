import HTTP
import JSON

enum ReceiptRoutes {
  static func endpoints(_ receipts: Receipts) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/receipts/{sender}", .open,
        Operation(
          "takeReceipts",
          "Callbacks of a sender's provider. The signature takes the place of a key; the body shown "
            + "is that of adapter 'http'.",
          tag: "Senders", request: request, requestTypes: ["application/json", "*/*"],
          responses: [200: Schema.ref("ReceiptSummary")],
          errors: [.unauthorized, .notFound, .secretsUnreadable])
      ) { call in
        let summary = try await receipts.take(
          call.request, from: call.path("sender"), now: call.now)
        return .json(200, summary.json)
      }
    ]
  }

  static let components: JSONObject = [
    "ReceiptSummary": Schema.object([
      "accepted": Schema.count, "duplicates": Schema.count,
      "rejected": Schema.array(
        Schema.object([
          "index": Schema.count, "code": Schema.string, "pointer": Schema.string,
          "detail": Schema.string,
        ])),
    ])
  ]

  private static let request = Schema.object([
    "receipts": Schema.array(
      Schema.object([
        "delivery_id": Schema.uuid, "event": Schema.choice(Receipt.Event.allCases.map(\.rawValue)),
        "at": Schema.instant,
      ]), max: 1000)
  ])
}

extension ReceiptSummary {
  var json: JSONValue {
    let rejected = rejected.map { rejection -> JSONValue in
      [
        "index": .int(rejection.index), "code": .string(rejection.fault.code.rawValue),
        "pointer": .string(rejection.fault.pointer.description),
        "detail": .string(rejection.fault.detail),
      ]
    }
    return [
      "accepted": .int(accepted), "duplicates": .int(duplicates), "rejected": .array(rejected),
    ]
  }
}
