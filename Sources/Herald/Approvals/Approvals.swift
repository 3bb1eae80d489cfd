import Cryptography
import Foundation
import JSON
import Postgres

/// Submission freezes a manifest; a decision is about its hash. Approval is launch.
public struct Approvals: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings
  let wake: Wake

  /// `wake` is called when a launch may be due.
  public init(
    db: Database,
    settings: @escaping @Sendable () async throws -> ProjectSettings = { ProjectSettings() },
    wake: Wake = Wake()
  ) {
    self.db = db
    self.settings = settings
    self.wake = wake
  }

  /// Freezes the draft with everything it uses and asks for approval.
  public func submit(
    plan key: String, comment: String?, by caller: Caller, now: Date
  ) async throws -> Approval {
    let id = UUIDv7.next(now: now)
    let project = try await settings()
    return try await db.write { tx in
      let plan = try PlanStore.lock(key, in: tx)
      guard let number = plan.draftVersion else {
        throw HeraldError(
          .wrongState,
          plan.liveVersion == nil
            ? "Plan '\(key)' has no draft; PUT one first."
            : "Plan '\(key)' has no draft: its document is that of version \(plan.liveVersion ?? 0). "
              + "PUT a changed one, or the same under another key to run it again.")
      }
      let draft = try PlanStore.version(key, number, in: tx)
      _ = try PlanLifecycle.after(draft.state, .submit)
      let document = try Plans.checked(draft.document, by: caller, in: tx)
      let manifest = try ManifestBuilder.build(
        key, draft, document, userScope: caller.userScope, in: tx)
      let frozen = manifest.json
      let hash = Manifest.hash(of: frozen)
      let dryRun = try DryRun(manifest, document, now: now, project: project, in: tx)
      try dryRun.refuseImpossible(document)
      let live = try plan.liveVersion.map { try PlanStore.version(key, $0, in: tx) }
      try PlanStore.freeze(key, number, manifest: frozen, hash: hash, now: now, in: tx)
      try PlanStore.save(
        plan, draft: number, live: plan.liveVersion, paused: plan.paused, now: now, in: tx)
      try ApprovalStore.insert(
        id, manifest, frozen: frozen, hash: hash, dryRun: dryRun.json,
        diff: ManifestDiff.between(live?.manifest, frozen), comment: comment, by: caller, now: now,
        in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.submitted", "plan", key,
          after: ["version": .int(number), "hash": .string(hash), "approval": .id(id)],
          by: caller, at: now), in: tx)
      return try ApprovalStore.load(id, in: tx)
    }
  }

  /// What launching the draft, or else the live version, would come to now. Changes nothing.
  public func dryRun(plan key: String, by caller: Caller, now: Date) async throws -> JSONValue {
    let project = try await settings()
    return try await db.pool.write { tx in
      let plan = try PlanStore.load(key, in: tx)
      guard let number = plan.draftVersion ?? plan.liveVersion else {
        throw HeraldError(.wrongState, "Plan '\(key)' has neither a draft nor a live version.")
      }
      let version = try PlanStore.version(key, number, in: tx)
      let document = try Plans.checked(version.document, by: .herald, in: tx)
      let manifest = try ManifestBuilder.build(
        key, version, document, userScope: caller.userScope, in: tx)
      return try DryRun(manifest, document, now: now, project: project, in: tx).json
    }
  }

  public func get(_ id: UUID) async throws -> Approval {
    try await db.read { try ApprovalStore.load(id, in: $0) }
  }

  public func list(
    _ page: PageRequest, state: String?, plan: String?
  ) async throws -> Page<Approval> {
    let rows = try await db.read {
      try ApprovalStore.list(page, state: state, plan: plan, in: $0)
    }
    return Page(rows, page) { [$0.id.text] }
  }

  /// Approves exactly the manifest of `hash`. The version becomes the live one and is armed for
  /// its launch; the one before is superseded for new entrants.
  public func approve(
    _ id: UUID, hash: String, comment: String?, by caller: Caller, now: Date
  ) async throws -> Approval {
    let approval = try await decide(
      id, .approved, hash: hash, comment: comment, by: caller, now: now
    ) { plan, draft, tx in
      _ = try PlanLifecycle.after(draft.state, .approve)
      let document = try PlanDocument.stored(draft.document)
      if let number = plan.liveVersion {
        let live = try PlanStore.version(plan.key, number, in: tx)
        if let state = PlanLifecycle.next(live.state, .supersede) {
          try PlanStore.setState(live, state, now: now, in: tx)
        }
      }
      let launchAt = document.launchAt(approvedAt: now)
      try PlanStore.setState(draft, .approved, launchAt: launchAt, now: now, in: tx)
      try PlanStore.save(plan, draft: nil, live: draft.version, paused: false, now: now, in: tx)
      // Whoever comes right after the approval enters.
      if document.trigger.isStanding, launchAt <= now {
        try StandingPlan.open(draft, document, now: now, in: tx)
      }
      // A pause ends with the approval; what people of earlier versions wait for goes on.
      if plan.paused { try QueueStore.unpark(plan: plan.key, now: now, in: tx) }
    }
    wake.call()
    return approval
  }

  public func reject(
    _ id: UUID, hash: String, comment: String?, by caller: Caller, now: Date
  ) async throws -> Approval {
    try await decide(id, .rejected, hash: hash, comment: comment, by: caller, now: now) {
      _, draft, tx in
      let state = try PlanLifecycle.after(draft.state, .reject)
      try PlanStore.setState(draft, state, reason: comment, now: now, in: tx)
    }
  }

  private func decide(
    _ id: UUID, _ state: Approval.State, hash: String, comment: String?, by caller: Caller,
    now: Date, _ change: @escaping @Sendable (Plan, PlanVersion, Transaction) throws -> Void
  ) async throws -> Approval {
    try await db.write { tx in
      let key = try ApprovalStore.load(id, in: tx).plan
      let plan = try PlanStore.lock(key, in: tx)
      // Read again: it may have been decided while the lock was waited for.
      let approval = try ApprovalStore.load(id, in: tx)
      guard approval.state == .pending else {
        throw HeraldError(
          .wrongState, "This approval is \(approval.state.rawValue) already; list the pending ones."
        )
      }
      try Self.bar(caller, from: approval, in: tx)
      guard hash == approval.hash else {
        throw HeraldError(
          .hashChanged,
          "The hash is not that of what was submitted; read the approval again and decide on that.",
          pointer: "/hash")
      }
      let version = try PlanStore.version(key, approval.version, in: tx)
      try change(plan, version, tx)
      try ApprovalStore.decide(id, state, comment: comment, by: caller, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.\(state.rawValue)", "plan", key,
          after: [
            "version": .int(approval.version), "hash": .string(hash), "approval": .id(id),
            "comment": .optional(comment),
          ], by: caller, at: now), in: tx)
      return try ApprovalStore.load(id, in: tx)
    }
  }

  private static func bar(_ caller: Caller, from approval: Approval, in tx: Transaction) throws {
    let authors = try ApprovalStore.authors(
      plan: approval.plan, upTo: approval.version, in: tx)
    let makers = try ApprovalStore.makers(of: caller.keyID, in: tx)
    guard
      !ApprovalPolicy.isBarred(principal: caller.principal, makers: makers, authors: authors)
    else {
      throw HeraldError(
        .selfApproval,
        "Whoever edited or submitted this plan since its last approval cannot decide on it, with "
          + "none of their keys and no key they made; ask another approver.")
    }
    try caller.mustBe([.admin, .approver])
  }
}
