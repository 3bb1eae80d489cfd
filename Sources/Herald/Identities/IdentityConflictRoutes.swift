import HTTP
import JSON

enum IdentityConflictRoutes {
  static func endpoints(_ conflicts: IdentityConflicts) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/identity-conflicts", .readers,
        Operation(
          "listIdentityConflicts", "Users whom no rule merges or tells apart, newest first.",
          tag: "Identities",
          query: Operation.paging + [.init("state", Schema.choice(states), "Only these.")],
          responses: [200: Schema.page(Schema.ref("IdentityConflict"))])
      ) { call in
        let page = try await conflicts.list(
          try PageRequest(call.request, width: 1), state: try call.request.choice("state", states),
          for: call.caller, now: call.now)
        return .page(page, call.request) { $0.json(masked: call.caller.seesMasked) }
      },
      Endpoint(
        .post, "/v1/identity-conflicts/{id}/resolve", .writers,
        Operation(
          "resolveIdentityConflict", "Merge the two users, or keep them apart for good.",
          tag: "Identities",
          request: Schema.object([
            "decision": Schema.choice(IdentityConflict.Decision.allCases.map(\.rawValue)),
            "comment?": Schema.text(1...1000),
          ]), responses: [200: Schema.ref("IdentityConflict")], errors: [.notFound, .wrongState])
      ) { call in
        let id = try call.id("conflict")
        let (decision, comment) = try call.read { reader, _ in
          reader.choice("decision", IdentityConflict.Decision.self, required: true).map {
            ($0, reader.string("comment", minLength: 1, maxLength: 1000))
          }
        }
        let conflict = try await conflicts.resolve(
          id, decision, comment: comment, by: call.caller, now: call.now)
        return .json(200, conflict.json(masked: call.caller.seesMasked))
      },
    ]
  }

  private static let states = IdentityConflict.State.allCases.map(\.rawValue)

  static let components: JSONObject = ["IdentityConflict": IdentityConflict.schema]
}
