import Foundation
import HTTP
import JSON

enum MergeRoutes {
  static func endpoints(_ merges: Merges) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/users/{u}/merge", .writers,
        Operation(
          "mergeUsers", "Make one person of two users.", tag: "Identities",
          request: Schema.object(["from": Schema.text(1...320)]),
          responses: [200: Schema.ref("Merge")], errors: [.notFound, .wrongState])
      ) { call in
        let ref = try UserRef.inPath(call.path("u"))
        try await merges.check(ref, for: call.caller, now: call.now)
        let other = try call.read { reader, _ in reader.userRef("from", required: true) }
        let merge = try await merges.merge(ref, with: other, by: call.caller, now: call.now)
        return .json(200, merge.json)
      },
      Endpoint(
        .get, "/v1/merges", .readers,
        Operation(
          "listMerges", "Merges of users, newest first.", tag: "Identities",
          query: Operation.paging + [
            .init("user", Schema.string, "Only those that this user has part in."),
            .init("state", Schema.choice(UserMerge.State.allCases.map(\.rawValue)), "Only these."),
          ], responses: [200: Schema.page(Schema.ref("Merge"))], errors: [.notFound])
      ) { call in
        let page = try await merges.list(
          try PageRequest(call.request, width: 1),
          user: try call.request.query("user").map(UserRef.inPath),
          state: try call.request.choice("state", UserMerge.State.allCases.map(\.rawValue)),
          for: call.caller, now: call.now)
        return .page(page, call.request, item: \.json)
      },
      Endpoint(
        .post, "/v1/merges/{id}/undo", .writers,
        Operation(
          "undoMerge", "Make two users again of one.", tag: "Identities",
          responses: [200: Schema.ref("Merge")], errors: [.notFound, .wrongState])
      ) { call in
        let id = try call.id("merge")
        return .json(200, try await merges.undo(id, by: call.caller, now: call.now).json)
      },
    ]
  }

  static let components: JSONObject = [
    "Merge": Schema.object([
      "id": Schema.uuid, "survivor": Schema.uuid, "merged": Schema.uuid,
      "state": Schema.choice(UserMerge.State.allCases.map(\.rawValue)),
      "reason": Schema.choice(UserMerge.Reason.allCases.map(\.rawValue)),
      "merged_by": Schema.string, "merged_at": Schema.instant,
      "undone_by": Schema.nullable(Schema.string), "undone_at": Schema.nullable(Schema.instant),
      "moved_events": Schema.count, "flipped_arms": Schema.array(UserMerge.FlippedArm.schema),
    ])
  ]
}
