import HTTP
import JSON

enum ExplainRoutes {
  static func endpoints(_ explanations: Explanations) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/users/{u}/explain", .readers,
        Operation(
          "explainUser",
          "Why a plan did what it did with a person, or why they are in a segment or not.",
          tag: "Reports",
          query: [
            .init("plan", Schema.key, "Decisions of this plan. Give this or `segment`."),
            .init("segment", Schema.key, "Membership of this segment. Give this or `plan`."),
          ],
          responses: [
            200: Schema.oneOf([Schema.ref("Explanation"), Schema.ref("Membership")])
          ], errors: [.notFound])
      ) { call in
        let ref = try UserRef.inPath(call.path("u"))
        switch (try call.request.key("plan"), try call.request.key("segment")) {
        case (let plan?, nil):
          let explanation = try await explanations.plan(
            plan, of: ref, for: call.caller, now: call.now)
          return .json(200, explanation.json(masked: call.caller.seesMasked))
        case (nil, let segment?):
          let membership = try await explanations.segment(
            segment, of: ref, for: call.caller, now: call.now)
          return .json(
            200, call.caller.seesMasked ? ExplanationMask.masked(membership) : membership)
        default:
          throw HeraldError(
            .badQuery, "Say what to explain: exactly one of `plan` and `segment`.")
        }
      }
    ]
  }

  static let components: JSONObject = [
    "Explanation": Explanation.schema, "Decision": Decision.schema,
    "Membership": Explanation.membership,
  ]
}
