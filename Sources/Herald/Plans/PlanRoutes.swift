import Conditions
import HTTP
import JSON

enum PlanRoutes {
  static func endpoints(_ plans: Plans, _ approvals: Approvals) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/plans/{key}", .writers,
        Operation(
          "putPlan",
          "Write the draft of a plan; every fault is named at once. The document of the live version "
            + "changes nothing, unless what it uses has changed since.", tag: "Plans",
          request: Schema.ref("PlanDocument"),
          responses: [200: Schema.ref("Plan"), 201: Schema.ref("Plan")],
          errors: [.preconditionFailed])
      ) { call in
        let key = try call.key("key")
        let (overview, created) = try await plans.put(
          key, try call.json(), expecting: try call.expectedVersion(), by: call.caller,
          now: call.now)
        return .resource(overview.json, version: overview.plan.version, created: created)
      },
      Endpoint(
        .get, "/v1/plans", .readers,
        Operation(
          "listPlans", "Plans that are not archived, or those that are.", tag: "Plans",
          query: Operation.paging + PlanFilter.parameters,
          responses: [200: Schema.page(Schema.ref("Plan"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let filter = try PlanFilter(call.request)
        return .page(try await plans.list(page, filter), call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/plans/{key}", .readers,
        Operation(
          "getPlan", "One plan with its versions.", tag: "Plans",
          responses: [200: Schema.ref("Plan")], errors: [.notFound])
      ) { call in
        let overview = try await plans.get(call.path("key"))
        return .resource(overview.json, version: overview.plan.version)
      },
      Endpoint(
        .get, "/v1/plans/{key}/versions/{version}", .readers,
        Operation(
          "getPlanVersion", "One version with its document.", tag: "Plans",
          responses: [200: Schema.ref("PlanVersion")], errors: [.notFound])
      ) { call in
        let version = try await plans.version(call.path("key"), call.path("version"))
        return .json(200, version.json)
      },
      Endpoint(
        .post, "/v1/plans/{key}/dry-run", .readers,
        Operation(
          "dryRunPlan", "What launching the draft (or the live version) now would come to.",
          tag: "Plans", responses: [200: Schema.ref("DryRun")],
          errors: [.notFound, .wrongState, .invalid])
      ) { call in
        let found = try await approvals.dryRun(
          plan: call.path("key"), by: call.caller, now: call.now)
        let scope = call.caller.userScope?.json
        return .json(200, DryRun.shown(found, within: scope, to: call.caller))
      },
      Endpoint(
        .post, "/v1/plans/{key}/submit", .writers,
        Operation(
          "submitPlan", "Freeze the draft with everything it uses and ask for approval.",
          tag: "Plans", request: Schema.object(["comment?": Schema.text(0...2000)]),
          requestRequired: false,
          responses: [201: Schema.ref("Submission")],
          errors: [.notFound, .wrongState, .insufficientStock, .conflict]),
        body: .buffered(limit: 1 << 16)
      ) { call in
        let comment = try call.comment()
        let approval = try await approvals.submit(
          plan: call.path("key"), comment: comment, by: call.caller, now: call.now)
        return .json(201, ["approval": .id(approval.id), "hash": .string(approval.hash)])
      },
      steer("pause", "Stop hand-overs within a second; says how many were already out.") {
        try await plans.pause($0, by: $1.caller, now: $1.now)
      },
      steer("resume", "Go on.") { try await plans.resume($0, by: $1.caller, now: $1.now) },
      steer("cancel", "End the plan; what is pending is skipped as cancelled.") {
        try await plans.cancel($0, by: $1.caller, now: $1.now)
      },
      migrate(plans),
      archive(plans, .post, "/v1/plans/{key}/archive", "archivePlan"),
      archive(plans, .delete, "/v1/plans/{key}", "deletePlan"),
    ] + groups(plans)
  }

  /// By its verb, and as every named thing that something refers to.
  private static func archive(
    _ plans: Plans, _ method: HTTPMethod, _ pattern: String, _ id: String
  ) -> Endpoint {
    Endpoint(
      method, pattern, .writers,
      Operation(
        id, "Hide a plan that is over.", tag: "Plans", responses: [204: nil],
        errors: [.notFound, .wrongState])
    ) { call in
      try await plans.archive(call.path("key"), by: call.caller, now: call.now)
      return .noContent
    }
  }

  private static func migrate(_ plans: Plans) -> Endpoint {
    Endpoint(
      .post, "/v1/plans/{key}/migrate", .writers,
      Operation(
        "migratePlan",
        "Move the people inside one version to another approved one, those whose step is in both.",
        tag: "Plans", request: Schema.object(["from": Schema.count, "to": Schema.count]),
        responses: [200: Schema.ref("Migration")], errors: [.notFound, .wrongState])
    ) { call in
      let versions = try call.read { reader, _ in PlanMigration.Versions(reader) }
      let migration = try await plans.migrate(
        call.path("key"), versions, by: call.caller, now: call.now)
      return .json(200, migration.json)
    }
  }

  private static func steer(
    _ verb: String, _ summary: String,
    _ action: @escaping @Sendable (String, Call) async throws -> Plans.Stopping
  ) -> Endpoint {
    Endpoint(
      .post, "/v1/plans/{key}/\(verb)", .roles([.admin, .operator, .approver]),
      Operation(
        "\(verb)Plan", summary, tag: "Plans", responses: [200: Schema.ref("Steering")],
        errors: [.notFound, .wrongState, .selfApproval])
    ) { call in
      let stopping = try await action(call.path("key"), call)
      return .json(
        200, ["plan": stopping.overview.json, "in_flight": .int(stopping.inFlight)])
    }
  }

  static let components: JSONObject = [
    "Plan": Schema.object([
      "key": Schema.key, "name": Schema.string, "group": Schema.nullable(Schema.key),
      "archived_at": Schema.nullable(Schema.instant),
      "draft_version": Schema.nullable(Schema.count),
      "live_version": Schema.nullable(Schema.count), "paused": Schema.bool,
      "versions": Schema.array(versionSummary),
      "auto_pause": Schema.nullable(Schema.ref("AutoPause")), "created_at": Schema.instant,
      "updated_at": Schema.instant,
    ]),
    "PlanVersion": Schema.object([
      "plan": Schema.key, "version": Schema.count, "state": state, "hash": Schema.hash,
      "document": Schema.ref("PlanDocument"), "author": Schema.string,
      "state_reason": Schema.nullable(Schema.string),
      "manifest_hash": Schema.nullable(Schema.hash), "created_at": Schema.instant,
      "updated_at": Schema.instant,
    ]),
    "PlanDocument": PlanDocument.schema, "PlanGroup": PlanGroup.schema,
    "Submission": Schema.object(["approval": Schema.uuid, "hash": Schema.hash]),
    "Migration": PlanMigration.schema,
    "Steering": Schema.object(["plan": Schema.ref("Plan"), "in_flight": Schema.count]),
    "DryRun": dryRun, "AutoPause": StoredPause.schema,
  ]

  static let dryRun = Schema.object([
    "audience": Schema.count, "held_out": Schema.count, "skipped": Schema.counts,
    "deferred?": Schema.counts, "by_channel": Schema.counts, "upper_bound": Schema.bool,
    "coupons": Schema.counts,
    "finishes_at": Schema.instant,
    "entries?": Schema.object(["last_7_days": Schema.count, "last_30_days": Schema.count]),
    "missing_variables": Schema.counts,
    "overlaps": Schema.array(PlanCalendar.overlapSchema),
    "calendar": Schema.array(PlanCalendar.daySchema),
    "samples": Schema.array(
      Schema.object([
        "user": Schema.uuid, "step": Schema.string, "template": Schema.key, "content": Schema.any,
      ])),
  ])
  private static let state = Schema.choice(PlanState.allCases.map(\.rawValue))
  private static let versionSummary = Schema.object([
    "version": Schema.count, "state": state, "hash": Schema.hash, "author": Schema.string,
    "state_reason": Schema.nullable(Schema.string),
    "launch_at": Schema.nullable(Schema.instant), "created_at": Schema.instant,
    "updated_at": Schema.instant,
  ])
}

extension Call {
  /// `{"comment"?}` of an optional body.
  func comment() throws -> String? {
    if request.body.isEmpty { return nil }
    return try read { reader, _ in Comment(text: reader.string("comment", maxLength: 2000)) }.text
  }

  private struct Comment { let text: String? }
}

extension Plans.Overview {
  var json: JSONValue {
    [
      "key": .string(plan.key), "name": .string(plan.name), "group": .optional(plan.group),
      "archived_at": .instant(plan.archivedAt),
      "draft_version": .optional(plan.draftVersion), "live_version": .optional(plan.liveVersion),
      "paused": .bool(plan.paused),
      "versions": .array(
        versions.map { version in
          [
            "version": .int(version.version), "state": .string(version.state.rawValue),
            "hash": .string(version.hash), "author": .string(version.author),
            "state_reason": .optional(version.stateReason),
            "launch_at": .instant(version.launchAt), "created_at": .instant(version.createdAt),
            "updated_at": .instant(version.updatedAt),
          ]
        }), "auto_pause": pause?.json ?? .null, "created_at": .instant(plan.createdAt),
      "updated_at": .instant(plan.updatedAt),
    ]
  }
}

extension PlanVersion {
  var json: JSONValue {
    [
      "plan": .string(plan), "version": .int(version), "state": .string(state.rawValue),
      "hash": .string(hash), "document": document, "author": .string(author),
      "state_reason": .optional(stateReason), "manifest_hash": .optional(manifestHash),
      "created_at": .instant(createdAt), "updated_at": .instant(updatedAt),
    ]
  }
}
