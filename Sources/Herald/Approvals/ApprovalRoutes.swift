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
      comment(approvals),
    ]
  }

  private static func comment(_ approvals: Approvals) -> Endpoint {
    Endpoint(
      .post, "/v1/approvals/{id}/comments", .roles([.admin, .approver, .operator]),
      Operation(
        "commentApproval", "Say something on a submission without deciding.", tag: "Approvals",
        request: Schema.object(["text": Schema.text(1...2000)]),
        responses: [201: Schema.ref("Approval")], errors: [.notFound])
    ) { call in
      let id = try call.id("approval")
      let text = try call.read { reader, _ in
        reader.string("text", required: true, minLength: 1, maxLength: 2000)
      }
      let approval = try await approvals.comment(id, text, by: call.caller, now: call.now)
      return .json(201, approval.json(for: call.caller))
    }
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
        errors: [.selfApproval, .notIndependent, .notFound, .wrongState, .hashChanged])
    ) { call in
      let id = try call.id("approval")
      let asked = try call.read(Decision.init)
      return .json(200, try await decide(id, asked, call).json(for: call.caller))
    }
  }

  private static let stage = Schema.object([
    "name": Schema.string, "approvers": Schema.count,
    "principals": Schema.array(Schema.string), "agreed": Schema.array(Schema.string),
    "state": Schema.choice(["agreed", "open", "waiting", "closed"]),
  ])
  private static let said = Schema.object([
    "stage": Schema.string,
    "decision": Schema.choice(ApprovalDecision.Verdict.allCases.map(\.rawValue)),
    "by": Schema.string, "at": Schema.instant, "comment": Schema.nullable(Schema.string),
  ])
  private static let finding = Schema.object([
    "level": Schema.choice(ContentLint.Finding.Level.allCases.map(\.rawValue)),
    "code": Schema.string, "template": Schema.nullable(Schema.key), "field": Schema.string,
    "text": Schema.string,
  ])
  private static let remark = Schema.object([
    "by": Schema.string, "at": Schema.instant, "text": Schema.string,
  ])

  static let components: JSONObject = [
    "Approval": Schema.object([
      "id": Schema.uuid, "plan": Schema.key, "version": Schema.count, "hash": Schema.hash,
      "manifest": ["type": "object"], "dry_run": Schema.ref("DryRun"),
      "diff": ManifestDiff.schema, "lint": Schema.array(finding),
      "comment": Schema.nullable(Schema.string),
      "state": Schema.choice(Approval.State.allCases.map(\.rawValue)),
      "submitted_by": Schema.string, "submitted_at": Schema.instant,
      "decided_by": Schema.nullable(Schema.string),
      "decided_at": Schema.nullable(Schema.instant),
      "decision_comment": Schema.nullable(Schema.string),
      "demand": ApprovalDemand.schema, "stages": Schema.array(stage),
      "decisions": Schema.array(said), "comments": Schema.array(remark),
      "expires_at": Schema.nullable(Schema.instant), "reminders": Schema.count,
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
      "lint": lint,
      "comment": .optional(comment),
      "state": .string(state.rawValue), "submitted_by": .string(submittedBy),
      "submitted_at": .instant(submittedAt), "decided_by": .optional(decidedBy),
      "decided_at": .instant(decidedAt), "decision_comment": .optional(decisionComment),
      "demand": demand.measures, "stages": .array(stages),
      "decisions": .array(
        decisions.map { decision in
          [
            "stage": .string(name(of: decision.stage)),
            "decision": .string(decision.verdict.rawValue), "by": .string(decision.principal),
            "at": .instant(decision.at), "comment": .optional(decision.comment),
          ]
        }),
      "comments": .array(
        comments.map {
          ["by": .string($0.principal), "at": .instant($0.at), "text": .string($0.text)]
        }), "expires_at": .instant(expiresAt), "reminders": .int(reminders),
    ]
  }

  private func name(of stage: Int) -> String {
    demand.stages.indices.contains(stage) ? demand.stages[stage].name : ""
  }

  private var stages: [JSONValue] {
    let progress = progress
    return progress.stages.enumerated().map { index, stage in
      let state =
        progress.agreed[index].count >= stage.approvers
        ? "agreed" : state != .pending ? "closed" : index == progress.open ? "open" : "waiting"
      return [
        "name": .string(stage.name), "approvers": .int(stage.approvers),
        "principals": .array(stage.principals.map(JSONValue.string)),
        "agreed": .array(progress.agreed[index].map(JSONValue.string)), "state": .string(state),
      ]
    }
  }
}
