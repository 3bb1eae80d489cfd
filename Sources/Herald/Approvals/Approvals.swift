import Cryptography
import Foundation
import JSON
import Postgres

/// Submission freezes a manifest; a decision is about its hash. Approval is launch.
public struct Approvals: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings
  let wake: Wake
  let offersUnsubscribing: Bool

  /// Asking of each of millions which channels reach them takes longer than other requests may.
  static let patience = Duration.seconds(300)

  /// `wake` is called when a launch may be due. `offersUnsubscribing`: there is an address for it.
  public init(
    db: Database,
    settings: @escaping @Sendable () async throws -> ProjectSettings = { ProjectSettings() },
    wake: Wake = Wake(), offersUnsubscribing: Bool = true
  ) {
    self.db = db
    self.settings = settings
    self.wake = wake
    self.offersUnsubscribing = offersUnsubscribing
  }

  /// Freezes the draft with everything it uses and asks for approval.
  public func submit(
    plan key: String, comment: String?, by caller: Caller, now: Date
  ) async throws -> Approval {
    let id = UUIDv7.next(now: now)
    let project = try await settings()
    return try await db.write(timeout: Self.patience) { tx in
      let plan = try PlanStore.lock(key, in: tx)
      guard let number = plan.draftVersion else {
        throw try HeraldError.noDraft(of: plan, in: tx)
      }
      guard plan.archivedAt == nil else {
        throw HeraldError(
          .wrongState, "Plan '\(key)' is archived; PUT its document to bring it back.")
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
      let rules = project.approvals
      let demand = ApprovalDemand(
        try ApprovalMeasure(dryRun, manifest, document), rules: rules.rules)
      try PlanStore.freeze(key, number, manifest: frozen, hash: hash, now: now, in: tx)
      try PlanStore.save(
        plan, draft: number, live: plan.liveVersion, paused: plan.paused, now: now, in: tx)
      let submission = ApprovalStore.Submission(
        plan: key, version: number, hash: hash, manifest: frozen, dryRun: dryRun.json,
        diff: ManifestDiff.between(live?.manifest, frozen),
        lint: try lint(dryRun, manifest, document, project, now: now, in: tx), demand: demand,
        comment: comment,
        expiresAt: now.addingTimeInterval(Double(rules.expireAfter.seconds)),
        remindAt: rules.remindAfter.map { now.addingTimeInterval(Double($0.seconds)) })
      try ApprovalStore.insert(id, submission, by: caller, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.submitted", "plan", key,
          after: [
            "version": .int(number), "hash": .string(hash), "approval": .id(id),
            "demand": demand.json,
          ], by: caller, at: now), in: tx)
      return try ApprovalStore.load(id, in: tx)
    }
  }

  private func lint(
    _ dryRun: DryRun, _ manifest: Manifest, _ document: PlanDocument, _ project: ProjectSettings,
    now: Date, in tx: Transaction
  ) throws -> JSONValue {
    var properties: Set<String> = []
    if case .event(let trigger) = document.trigger {
      properties = try CatalogueStore.properties(of: trigger.event, in: tx)
    }
    let lint = ContentLint(
      document: document, dryRun: dryRun, rules: project.content, properties: properties,
      unseen: try UnseenEvent.find(document, in: tx), offersUnsubscribing: offersUnsubscribing,
      further: try UnseenProperty.findings(document, in: tx)
        + ContentLint.timing(document, project, now: now, in: tx))
    return .array(try lint.findings(manifest.templates).map(\.json))
  }

  /// What launching the draft, or else the live version, would come to now. Changes nothing.
  public func dryRun(plan key: String, by caller: Caller, now: Date) async throws -> JSONValue {
    let project = try await settings()
    return try await db.pool.write(timeout: Self.patience) { tx in
      let plan = try PlanStore.load(key, in: tx)
      guard let number = plan.newestVersion else {
        throw HeraldError(.wrongState, "Plan '\(key)' has neither a draft nor a live version.")
      }
      let version = try PlanStore.version(key, number, in: tx)
      let document = try Plans.checked(version.document, isStored: true, by: .herald, in: tx)
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
}
