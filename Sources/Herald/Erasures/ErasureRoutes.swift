import Cryptography
import Foundation
import HTTP
import JSON

enum ErasureRoutes {
  static func endpoints(_ erasures: Erasures) -> [Endpoint] {
    [
      Endpoint(
        .delete, "/v1/users/{u}", .writers,
        Operation(
          "eraseUser",
          "Erase a person: everything personal goes, counts stay, their addresses are suppressed. "
            + "`Location` leads to the proof; a long history is gone through in the background.",
          tag: "Users", responses: [204: nil], errors: [.notFound])
      ) { call in
        let erasure = try await erasures.erase(
          try UserRef.inPath(call.path("u")), by: call.caller, now: call.now)
        var response = Response.noContent
        response.headers["location"] = "/v1/erasures/\(erasure.id.text)"
        return response
      },
      Endpoint(
        .get, "/v1/erasures", .readers,
        Operation(
          "listErasures", "Who was erased, as ids, newest first.", tag: "Users",
          query: Operation.paging + [.init("state", state, "Only these.")],
          responses: [200: Schema.page(Schema.ref("Erasure"))])
      ) { call in
        let page = try await erasures.list(
          try PageRequest(call.request, width: 1),
          state: try call.request.choice("state", Erasure.State.allCases.map(\.rawValue)),
          for: call.caller)
        return .page(page, call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/erasures/{id}", .readers,
        Operation(
          "verifyErasure",
          "The proof of an erasure, checked now: what was done, whether the report is unchanged, and "
            + "what is left of the person, which is nothing when it is completed.", tag: "Users",
          responses: [200: Schema.ref("VerifiedErasure")], errors: [.notFound])
      ) { call in
        guard let id = UUID(uuidString: call.path("id")) else {
          throw HeraldError.notFound("erasure", call.path("id"))
        }
        let (erasure, residue) = try await erasures.verify(id, for: call.caller)
        guard case .object(var json) = erasure.json else { return .json(200, erasure.json) }
        json["residue"] = .counts(residue)
        json["verified"] = .bool(residue.isEmpty && erasure.digest == erasure.expectedDigest)
        return .json(200, .object(json))
      },
    ]
  }

  static let components: JSONObject = [
    "Erasure": Schema.members(members),
    "VerifiedErasure": Schema.members(
      members + [("residue", Schema.counts), ("verified", Schema.bool)]),
  ]

  private static let state = Schema.choice(Erasure.State.allCases.map(\.rawValue))
  private static let members: [(String, JSONValue)] = [
    ("id", Schema.uuid), ("user", Schema.uuid), ("state", state), ("requested_by", Schema.string),
    ("requested_at", Schema.instant), ("completed_at", Schema.nullable(Schema.instant)),
    ("suppressed_addresses", Schema.count),
    (
      "tables",
      Schema.map(Schema.object(["deleted": Schema.count, "anonymised": Schema.count]))
    ), ("digest", Schema.nullable(Schema.hash)),
  ]
}

extension Erasure {
  fileprivate var json: JSONValue {
    var json = report
    json["state"] = .string(state.rawValue)
    json["requested_by"] = .string(requestedBy)
    json["digest"] = .optional(digest.map { "sha256:\(Hex.encode($0))" })
    return .object(json)
  }
}
