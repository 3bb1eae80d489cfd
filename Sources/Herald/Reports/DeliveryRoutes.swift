import HTTP
import JSON

enum DeliveryRoutes {
  static func endpoints(_ reports: Reports) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/plans/{key}/deliveries", .readers,
        Operation(
          "listPlanDeliveries", "The deliveries of a plan with their attempts, newest first.",
          tag: "Reports",
          query: Operation.paging + [
            .init("status", Schema.choice(statuses), "Those in this state."),
            .init("step", Schema.string, "Those of this step."),
            .init("channel", Schema.choice(Channel.allCases.map(\.rawValue)), "By this channel."),
            .init("reason", Schema.string, "Failed or skipped for this reason."),
            .init("run", Schema.uuid, "Those of this run."),
          ], responses: [200: Schema.page(Schema.ref("Delivery"))], errors: [.notFound])
      ) { call in
        let page = try PageRequest(call.request, width: 2)
        let filter = DeliveryFilter(
          run: try call.request.uuid("run"), status: try call.request.choice("status", statuses),
          step: call.request.query("step"),
          channel: try call.request.choice("channel", Channel.allCases.map(\.rawValue)),
          reason: call.request.query("reason"))
        let deliveries = try await reports.deliveries(
          call.path("key"), filter, page, for: call.caller, now: call.now)
        return .page(deliveries, call.request) { $0.json(masked: call.caller.seesMasked) }
      },
      Endpoint(
        .post, "/v1/plans/{key}/retry", .writers,
        Operation(
          "retryPlan",
          "Send what failed again, where the person has not gone on to the next step since.",
          tag: "Reports",
          request: Schema.object([
            "status": Schema.choice([DeliveryStatus.failed.rawValue]), "step?": Schema.text(1...64),
          ]),
          responses: [200: Schema.ref("RetryOutcome")], errors: [.notFound])
      ) { call in
        let wish = try call.retryWish()
        let outcome = try await reports.retry(
          call.path("key"), step: wish.step, by: call.caller, now: call.now)
        return .json(
          200,
          ["retried": .int(outcome.retried), "not_retried": .counts(outcome.notRetried)])
      },
    ]
  }

  static let components: JSONObject = [
    "Delivery": DeliveryView.schema,
    "RetryOutcome": Schema.object([
      "retried": Schema.count, "not_retried": Schema.counts,
    ]),
  ]

  private static let statuses = DeliveryStatus.allCases.map(\.rawValue)
}

extension Call {
  fileprivate struct RetryWish {
    enum Status: String, CaseIterable { case failed }
    let step: String?
  }

  fileprivate func retryWish() throws -> RetryWish {
    try read { reader, _ in
      _ = reader.choice("status", RetryWish.Status.self, required: true)
      return RetryWish(step: reader.string("step", minLength: 1, maxLength: 64))
    }
  }
}

extension DeliveryView {
  fileprivate func json(masked: Bool) -> JSONValue {
    [
      "id": .id(id), "user": .id(user), "run": .id(run), "step": .string(step),
      "status": .string(status), "reason": .optional(reason), "gate": .optional(gate),
      "values": values.map { masked ? ExplanationMask.masked($0) : $0 } ?? .null,
      "channel": .optional(channel), "sender": .optional(sender),
      "provider_id": .optional(providerID), "attempts": .array(attempts.map(\.json)),
      "created_at": .instant(createdAt), "settled_at": .instant(settledAt),
      "possibly_duplicate": .bool(possiblyDuplicate),
    ]
  }

  fileprivate static let schema = Schema.object([
    "id": Schema.uuid, "user": Schema.uuid, "run": Schema.uuid, "step": Schema.string,
    "status": Schema.choice(DeliveryStatus.allCases.map(\.rawValue)),
    "reason": Schema.nullable(Schema.string), "gate": Schema.nullable(Schema.string),
    "values": Schema.nullable(Schema.map(Schema.any)), "channel": Schema.nullable(Schema.string),
    "sender": Schema.nullable(Schema.string), "provider_id": Schema.nullable(Schema.string),
    "attempts": Schema.array(ExplainedAttempt.schema), "created_at": Schema.instant,
    "settled_at": Schema.nullable(Schema.instant), "possibly_duplicate": Schema.bool,
  ])
}
