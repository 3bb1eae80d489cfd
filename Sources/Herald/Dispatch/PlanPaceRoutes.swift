import HTTP
import JSON

enum PlanPaceRoutes {
  static func endpoints(_ paces: PlanPaces) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/plans/{key}/pace", .readers,
        Operation(
          "getPlanPace", "How fast a plan goes.", tag: "Pressure",
          responses: [200: Schema.ref("PlanPace")], errors: [.notFound])
      ) { call in
        .json(200, try await paces.get(call.path("key")).json)
      },
      Endpoint(
        .put, "/v1/plans/{key}/pace", .writers,
        Operation(
          "putPlanPace",
          "Slow a plan down while it runs, at most as fast as approved; null: as approved.",
          tag: "Pressure", request: Schema.object(["per_second": Schema.nullable(rate)]),
          responses: [200: Schema.ref("PlanPace")], errors: [.notFound])
      ) { call in
        let rate = try call.read { reader, _ -> Double?? in
          guard !reader.isNull("per_second") else {
            reader.allow("per_second")
            return .some(nil)
          }
          return .some(reader.double("per_second", required: true, range: PlanPace.range))
        }
        let pace = try await paces.put(
          rate, of: call.path("key"), by: call.caller, now: call.now)
        return .json(200, pace.json)
      },
    ]
  }

  private static let rate: JSONValue = ["type": "number", "exclusiveMinimum": 0]

  static let components: JSONObject = [
    "PlanPace": Schema.object([
      "per_second": Schema.nullable(Schema.number),
      "approved_per_minute": Schema.nullable(Schema.count),
      "effective_per_second": Schema.nullable(Schema.number),
    ])
  ]
}
