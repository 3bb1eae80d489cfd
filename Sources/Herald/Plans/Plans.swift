import Foundation
import JSON
import Postgres

/// Plans as operators edit and steer them.
public struct Plans: Sendable {
  let db: Database
  let wake: Wake

  /// `wake` is called when something of a plan may be due.
  public init(db: Database, wake: Wake = Wake()) {
    self.db = db
    self.wake = wake
  }

  /// A plan with all its versions, newest first.
  public struct Overview: Sendable {
    public let plan: Plan
    public let versions: [PlanVersion]
    /// Why Herald paused it by itself, while it is so.
    public let pause: StoredPause?
  }

  public func get(_ key: String) async throws -> Overview {
    try await db.read { try Self.overview(key, in: $0) }
  }

  /// 404 for a number that is none, too.
  public func version(_ key: String, _ number: String) async throws -> PlanVersion {
    guard let version = Int32(number), String(version) == number else {
      throw HeraldError.noVersion(number, of: key)
    }
    return try await db.read { try PlanStore.version(key, Int(version), in: $0) }
  }

  func list(_ page: PageRequest, _ filter: PlanFilter) async throws -> Page<Overview> {
    let rows = try await db.read { db in
      try PlanStore.list(page, filter, in: db).map { plan in
        Overview(
          plan: plan, versions: try PlanStore.versions(plan.key, in: db),
          pause: try PlanGuardStore.find(plan.key, in: db))
      }
    }
    return Page(rows, page) { [$0.plan.key] }
  }

  /// Writes the draft, and takes back a pending submission. A document equal to the draft, or to the
  /// live version when there is no draft, changes nothing, unless what it uses has changed since that
  /// was submitted: then it is a draft again, for only a new submission takes that up.
  public func put(
    _ key: String, _ json: JSONValue, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (overview: Overview, created: Bool) {
    try await db.write { tx in
      try Self.put(key, json, expecting: expecting, by: caller, now: now, in: tx)
    }
  }

  static func put(
    _ key: String, _ json: JSONValue, expecting: Int? = nil, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws -> (overview: Overview, created: Bool) {
    let document = try Self.checked(json, by: caller, in: tx)
    let created = try PlanStore.insert(key, name: document.name, now: now, in: tx)
    let plan = try PlanStore.lock(key, in: tx)
    try Precondition.check(expecting, actual: created ? nil : plan.version)
    let hash = Manifest.hash(of: json)
    let current = try plan.newestVersion.map {
      try PlanStore.version(key, $0, in: tx)
    }
    if let current, current.hash == hash, plan.archivedAt == nil,
      try !Self.isToBeDrafted(current, in: tx)
    {
      return (try Self.overview(key, in: tx), created)
    }
    let version =
      try plan.draftVersion ?? PlanStore.latestVersion(key, in: tx) + 1
    if let current, current.version == version {
      _ = try PlanLifecycle.after(current.state, .edit)
      try ApprovalStore.supersede(plan: key, now: now, in: tx)
    }
    try PlanStore.saveDraft(
      key, version, document: json, hash: hash, author: caller.principal, now: now, in: tx)
    try PlanStore.recordEdit(key, version, by: caller, now: now, in: tx)
    try PlanStore.save(
      plan, name: document.name, draft: version, live: plan.liveVersion, paused: plan.paused,
      now: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "plan.put", "plan", key, before: current?.document,
        after: ["version": .int(version), "hash": .string(hash), "document": json],
        by: caller, at: now), in: tx)
    return (try Self.overview(key, in: tx), created)
  }

  /// Whether to `PUT` its own document is to write a draft.
  static func isToBeDrafted(_ version: PlanVersion, in db: any Queryable) throws -> Bool {
    switch version.state {
    case .draft: false
    case .rejected: true
    // Who wants an outgrown plan approved anew submits what it is.
    case .paused where try PlanGuards.isOutgrown(version.plan, in: db): true
    default: try !ManifestChanges(since: version, in: db).isEmpty
    }
  }

  /// Stops hand-overs of every version until resumed.
  public func pause(_ key: String, by caller: Caller, now: Date) async throws -> Stopping {
    try await move(key, .pause, by: caller, now: now) { plan, live, tx in
      let state = try PlanLifecycle.after(live.state, .pause)
      try PlanStore.setState(live, state, launchAt: live.launchAt, now: now, in: tx)
      try PlanStore.save(
        plan, draft: plan.draftVersion, live: plan.liveVersion, paused: true, now: now, in: tx)
    }
  }

  public func resume(_ key: String, by caller: Caller, now: Date) async throws -> Stopping {
    let stopping = try await move(key, .resume, by: caller, now: now) { plan, live, tx in
      _ = try PlanLifecycle.after(live.state, .resume)
      try PlanGuards.admitResumption(plan, live, by: caller, in: tx)
      try PlanGuardStore.end(key, by: caller.principal, now: now, in: tx)
      let state: PlanState = live.launchAt == nil ? .live : .approved
      try PlanStore.setState(live, state, launchAt: live.launchAt, now: now, in: tx)
      try PlanStore.save(
        plan, draft: plan.draftVersion, live: plan.liveVersion, paused: false, now: now, in: tx)
      try QueueStore.unpark(plan: key, now: now, in: tx)
    }
    wake.call()
    return stopping
  }

  /// Ends the plan: what is pending becomes `skipped: cancelled`, in the background.
  public func cancel(_ key: String, by caller: Caller, now: Date) async throws -> Stopping {
    let stopping = try await move(key, .cancel, by: caller, now: now) { plan, live, tx in
      let state = try PlanLifecycle.after(live.state, .cancel)
      try PlanGuardStore.end(key, by: caller.principal, now: now, in: tx)
      try PlanStore.setState(live, state, now: now, in: tx)
      try PlanStore.save(
        plan, draft: plan.draftVersion, live: plan.liveVersion, paused: false, now: now, in: tx)
      try RunStore.cancel(plan: key, now: now, in: tx)
      try QueueStore.hasten(plan: key, now: now, in: tx)
    }
    wake.call()
    return stopping
  }

  /// Hides a plan that is neither live nor submitted.
  public func archive(_ key: String, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      let plan = try PlanStore.lock(key, in: tx)
      let active: Set<PlanState> = [.approved, .live, .paused, .pendingApproval]
      for number in [plan.draftVersion, plan.liveVersion].compactMap({ $0 }) {
        let state = try PlanStore.version(key, number, in: tx).state
        guard !active.contains(state) else {
          throw HeraldError(
            .wrongState,
            state == .pendingApproval
              ? "Plan '\(key)' waits for approval; PUT a changed document to take the submission "
                + "back, or have it rejected, before archiving it."
              : "Plan '\(key)' is \(state.rawValue); cancel it before archiving it.")
        }
      }
      try PlanStore.archive(key, now: now, in: tx)
      try AuditStore.append(
        AuditEntry("plan.archived", "plan", key, by: caller, at: now), in: tx)
    }
  }

  /// The document with every fault named at once; 422. `isStored`: it is only looked at, so that the
  /// types it was saved with stand. Submitting asks anew: more may have been seen since the draft.
  static func checked(
    _ json: JSONValue, isStored: Bool = false, by caller: Caller, in db: any Queryable
  ) throws -> PlanDocument {
    let faults = Faults()
    let document = PlanDocument.parse(json, faults: faults)
    if let document {
      if document.messageClass == .transactional, caller.role != .admin {
        faults.add(
          "forbidden_class", at: JSONPointer(tokens: ["class"]),
          "Only an admin may declare a plan transactional; use 'marketing' or ask an admin.")
      }
      _ = try PlanReferences(document, faults: faults, in: db)
      if !isStored { try PlanReferences.checkTypes(of: document, faults: faults, in: db) }
    }
    guard faults.isEmpty, let document else { throw HeraldError.invalid(faults.all) }
    return document
  }

  /// What a stop found under way.
  public struct Stopping: Sendable {
    public let overview: Overview
    /// Deliveries handed over and not yet settled at this moment.
    public let inFlight: Int
  }

  private func move(
    _ key: String, _ move: PlanMove, by caller: Caller, now: Date,
    _ change: @escaping @Sendable (Plan, PlanVersion, Transaction) throws -> Void
  ) async throws -> Stopping {
    try await db.write { tx in
      let plan = try PlanStore.lock(key, in: tx)
      guard let number = plan.liveVersion else {
        throw HeraldError(
          .wrongState,
          "Plan '\(key)' has no live version to \(move.rawValue). A draft is harmless until it is submitted "
            + "and approved; what is submitted is taken back by PUT of a changed document or by "
            + "rejecting it.")
      }
      let live = try PlanStore.version(key, number, in: tx)
      try change(plan, live, tx)
      let inFlight = try QueueStore.inFlight(plan: key, in: tx)
      let after = try PlanStore.version(key, number, in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.\(move.rawValue)", "plan", key, before: ["state": .string(live.state.rawValue)],
          after: ["state": .string(after.state.rawValue), "in_flight": .int(inFlight)],
          by: caller, at: now), in: tx)
      return Stopping(overview: try Self.overview(key, in: tx), inFlight: inFlight)
    }
  }

  static func overview(_ key: String, in db: any Queryable) throws -> Overview {
    Overview(
      plan: try PlanStore.load(key, in: db), versions: try PlanStore.versions(key, in: db),
      pause: try PlanGuardStore.find(key, in: db))
  }
}
