import Foundation
import HTTP
import JSON

enum ApprovalRoutes {
  static func endpoints(_ approvals: Approvals) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/approvals", .readers,
        Operation(
          "listApprovals", "Submissions, newest first.", tag: "Approvals",
          query: Operation.paging + [
            .init("state", Schema.choice(Approval.State.allCases.map(\.rawValue)), "Only these."),
            .init("plan", Schema.key, "Of one plan."),
          ], responses: [200: Schema.page(Schema.ref("Approval"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let state = try call.request.choice("state", Approval.State.allCases.map(\.rawValue))
        let found = try await approvals.list(
          page, state: state, plan: try call.request.key("plan"))
        return .page(found, call.request) { $0.json(for: call.caller) }
      },
      Endpoint(
        .get, "/v1/approvals/{id}", .readers,
        Operation(
          "getApproval", "One submission: manifest, dry run, difference to the live version.",
          tag: "Approvals", responses: [200: Schema.ref("Approval")], errors: [.notFound])
      ) { call in
        .json(200, try await approvals.get(call.id("approval")).json(for: call.caller))
      },
      decision("approve", "Approve exactly this manifest: it goes live.") {
        try await approvals.approve(
          $0, hash: $1.hash, comment: $1.comment, by: $2.caller, now: $2.now)
      },
      decision("reject", "Send it back with a reason.") {
        try await approvals.reject(
          $0, hash: $1.hash, comment: $1.comment, by: $2.caller, now: $2.now)
      },
    ]
  }

  struct Decision {
    let hash: String
    let comment: String?

    init?(_ reader: ObjectReader, _ faults: Faults) {
      let hash = reader.string("hash", required: true, maxLength: 80)
      comment = reader.string("comment", maxLength: 2000)
      guard let hash else { return nil }
      self.hash = hash
    }
  }

  private static func decision(
    _ verb: String, _ summary: String,
    _ decide: @escaping @Sendable (UUID, Decision, Call) async throws -> Approval
  ) -> Endpoint {
    Endpoint(
      // Operators are let in to be told that it is their own plan: none of them may decide.
      .post, "/v1/approvals/{id}/\(verb)", .roles([.admin, .approver, .operator]),
      Operation(
        "\(verb)Approval", summary, tag: "Approvals",
        request: Schema.object(["hash": Schema.string, "comment?": Schema.text(0...2000)]),
        responses: [200: Schema.ref("Approval")],
        errors: [.selfApproval, .notFound, .wrongState, .hashChanged])
    ) { call in
      let id = try call.id("approval")
      let asked = try call.read(Decision.init)
      return .json(200, try await decide(id, asked, call).json(for: call.caller))
    }
  }

  static let components: JSONObject = [
    "Approval": Schema.object([
      "id": Schema.uuid, "plan": Schema.key, "version": Schema.count, "hash": Schema.hash,
      "manifest": ["type": "object"], "dry_run": Schema.ref("DryRun"),
      "diff": Schema.array(
        Schema.object(["pointer": Schema.string, "before": Schema.any, "after": Schema.any])),
      "comment": Schema.nullable(Schema.string),
      "state": Schema.choice(Approval.State.allCases.map(\.rawValue)),
      "submitted_by": Schema.string, "submitted_at": Schema.instant,
      "decided_by": Schema.nullable(Schema.string),
      "decided_at": Schema.nullable(Schema.instant),
      "decision_comment": Schema.nullable(Schema.string),
    ])
  ]
}

extension Call {
  /// A UUID in the path; 404 when it is none.
  func id(_ kind: String) throws -> UUID {
    guard let id = UUID(uuidString: path("id")) else {
      throw HeraldError.notFound(kind, path("id"))
    }
    return id
  }
}

extension Approval {
  func json(for caller: Caller) -> JSONValue {
    [
      "id": .id(id), "plan": .string(plan), "version": .int(version), "hash": .string(hash),
      "manifest": manifest,
      "dry_run": DryRun.shown(dryRun, within: manifest["user_scope"], to: caller), "diff": diff,
      "comment": .optional(comment),
      "state": .string(state.rawValue), "submitted_by": .string(submittedBy),
      "submitted_at": .instant(submittedAt), "decided_by": .optional(decidedBy),
      "decided_at": .instant(decidedAt), "decision_comment": .optional(decisionComment),
    ]
  }
}
