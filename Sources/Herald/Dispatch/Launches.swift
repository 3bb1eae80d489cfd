import Conditions
import Cryptography
import Foundation
import JSON
import Logging
import Postgres

/// From an approved plan to decided people: freezes the audience once, then enters it lane by lane.
/// Every step is a transaction that any process may take up where another left off.
struct Launches: Sendable {
  let db: Database
  let plans: ApprovedPlans
  let settings: @Sendable () async throws -> ProjectSettings
  let logger: Logger

  /// Freezing and entering large audiences takes longer than any request may.
  static let patience = Duration.seconds(900)

  /// Launches what is due, enters what is open, completes what is done. True when there was work.
  func advance(now: Date) async throws -> Bool {
    // Most of the time there is nothing, which one question finds out.
    guard try await db.read({ try RunStore.hasWork(now: now, in: $0) }) else { return false }
    var worked = try await Schedules(db: db, plans: plans, launches: self).advance(now: now)
    worked = try await Scenes.launch(self, now: now) || worked
    for due in try await db.read({ try RunStore.dueLaunches(now: now, in: $0) }) {
      try await launch(due.plan, due.version, now: now)
      worked = true
    }
    for run in try await db.read({ try RunStore.active(now: now, in: $0) }) {
      switch run.state {
      case .entering:
        try await enter(run, now: now)
        worked = true
      case .running:
        worked = try await complete(run, now: now) || worked
      case .cancelled:
        try await enter(run, now: now)
        worked = true
      case .completed: break
      }
    }
    return worked
  }

  private func launch(_ key: String, _ number: Int, now: Date) async throws {
    let project = try await settings()
    try await db.pool.write(timeout: Self.patience) { tx in
      let plan = try PlanStore.lock(key, in: tx)
      let version = try PlanStore.version(key, number, in: tx)
      guard version.state == .approved, !plan.paused, let at = version.launchAt, at <= now else {
        return
      }
      let approved = try plans.get(key, number, in: tx)
      guard !approved.document.trigger.isStanding else {
        return try StandingPlan.open(version, approved.document, now: now, in: tx)
      }
      let refusal = try freeze(
        approved, occurrence: "once", approved.crowd(now: now, project, in: tx), project, now: now,
        in: tx)
      if let refusal { return try refuse(refusal, plan, version, now: now, in: tx) }
      try PlanStore.setState(
        version, PlanLifecycle.after(version.state, .launch), now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.launched", "plan", key, after: ["version": .int(number)], by: .herald, at: now),
        in: tx)
    }
  }

  struct Refusal {
    let reason: String
    /// When it is Herald's own judgement of what was approved.
    var pause: PlanPause?
  }

  /// Makes the run of an occurrence and freezes its crowd, unless there is one already; or says why
  /// it must not be. `values`: what everybody of the run brings along.
  func freeze(
    _ approved: ApprovedPlan, occurrence: String, _ crowd: SQL, _ project: ProjectSettings,
    values: JSONValue? = nil, now: Date, in tx: Transaction
  ) throws -> Refusal? {
    try tx.savepoint { () throws -> Refusal? in
      let run = try RunStore.insert(
        UUIDv7.next(now: now), plan: approved.key, version: approved.version,
        occurrence: occurrence, values: values, now: now, in: tx)
      guard let run else { return nil }
      let targeted = try RunStore.freeze(run.id, crowd, in: tx)
      let refusal = try self.refusal(approved, run.id, targeted, project, now: now, in: tx)
      if refusal != nil { try RunStore.discard(run.id, in: tx) }
      return refusal
    }
  }

  /// Pauses a plan that cannot be launched as it was approved.
  func refuse(
    _ refusal: Refusal, _ plan: Plan, _ version: PlanVersion, now: Date, in tx: Transaction
  ) throws {
    if let pause = refusal.pause {
      return try PlanGuards.pause(pause, plan, version, now: now, in: tx)
    }
    try PlanStore.setState(
      version, .paused, reason: refusal.reason, launchAt: version.launchAt, now: now, in: tx)
    try PlanStore.save(
      plan, draft: plan.draftVersion, live: version.version, paused: true, now: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "plan.launch_refused", "plan", plan.key,
        after: ["version": .int(version.version), "reason": .string(refusal.reason)], by: .herald,
        at: now), in: tx)
  }

  private func refusal(
    _ plan: ApprovedPlan, _ run: UUID, _ targeted: Int, _ project: ProjectSettings, now: Date,
    in tx: Transaction
  ) throws -> Refusal? {
    if let limit = plan.document.limits.audience, targeted > limit {
      return Refusal(
        reason: "audience_limit: the crowd has \(targeted) people, limits.audience is \(limit)")
    }
    if let approved = try PlanGuardStore.approvedPeople(plan.key, plan.version, in: tx),
      let pause = project.autoPause.judge(people: targeted, approved: approved)
    {
      return Refusal(reason: pause.text, pause: pause)
    }
    if let pause = try PlanGuards.unapproved(
      plan, people: targeted, rules: project.approvals.rules, in: tx)
    {
      return Refusal(reason: pause.text, pause: pause)
    }
    let limits = plan.document.limits
    guard !limits.allowPartialStock, !plan.document.coupons(people: 1, min).isEmpty
    else { return nil }
    let people = try EnrolmentStore.entrants(
      run, audience: plan.audience(now: now, project, in: tx),
      holdout: plan.document.holdout(of: plan.key, project), in: tx)
    for (coupon, needed) in plan.document.coupons(people: people, min) {
      let stock = min(try CouponStore.stock(coupon, in: tx), limits.coupons[coupon] ?? .max)
      if stock < needed {
        return Refusal(
          reason:
            "insufficient_stock: \(needed) codes of '\(coupon)' may be needed, \(stock) are left")
      }
    }
    return nil
  }

  /// Lanes entered beside each other: it is PostgreSQL that works, on one core for each.
  private static let width = 2

  /// How many people are decided on in one transaction at least, as far as there are as many: lanes
  /// of a handful are not worth a commit each.
  private static let atOnce = 1000

  private func enter(_ run: Run, now: Date) async throws {
    let project = try await settings()
    let size = min(Run.laneCount, max(1, Run.laneCount * Self.atOnce / max(1, run.targeted)))
    let open = run.openLanes
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, start) in stride(from: 0, to: open.count, by: size).enumerated() {
        if index >= Self.width { try await group.next() }
        let lanes = Array(open[start..<min(open.count, start + size)])
        group.addTask { try await self.enter(run, lanes, together: size > 1, project, now: now) }
      }
      try await group.waitForAll()
    }
  }

  /// Lanes taken together are taken with the run locked. Otherwise two processes could wait for each
  /// other: one for the run's row, one for a lane.
  private func enter(
    _ run: Run, _ lanes: [Int], together: Bool, _ project: ProjectSettings, now: Date
  ) async throws {
    // The run may have been made after this round began; nobody enters before that.
    let now = max(now, run.startedAt)
    try await db.pool.write(timeout: Self.patience) { tx in
      let current = try RunStore.load(run.id, locked: together, in: tx)
      let lanes = lanes.filter(Set(current.openLanes).contains)
      guard current.state != .completed, !lanes.isEmpty else { return }
      let plan = try plans.get(run.plan, run.planVersion, in: tx)
      let audience = try plan.audience(now: now, project, in: tx)
      let closed: SkipCode? =
        if current.state == .cancelled {
          .cancelled
        } else if let until = plan.document.window?.until, now >= until {
          .outsideWindow
        } else {
          nil
        }
      guard let first = plan.document.steps.first else { return }
      let entry = EnrolmentStore.Entry(
        run: current, firstStep: first.asSuccessor, priority: plan.document.priority,
        audience: audience, draw: plan.document.draw(of: run.plan, project),
        race: plan.document.experiment.flatMap { experiment in
          experiment.step == first.id
            ? experiment.race.map { Double($0.observe.seconds) } : nil
        }, closed: closed?.rawValue)
      try EnrolmentStore.enter(entry, lanes: lanes, now: now, in: tx)
    }
  }

  private func complete(_ run: Run, now: Date) async throws -> Bool {
    try await db.pool.write { tx in
      let plan = try PlanStore.lock(run.plan, in: tx)
      guard try RunStore.complete(run, now: now, in: tx) else { return false }
      let version = try PlanStore.version(run.plan, run.planVersion, in: tx)
      if try plans.get(run.plan, run.planVersion, in: tx).document.trigger.isStanding {
        try ScheduleStore.hasten(run.plan, run.planVersion, now: now, in: tx)
      } else if let state = PlanLifecycle.next(version.state, .complete),
        plan.liveVersion == run.planVersion
      {
        try PlanStore.setState(version, state, now: now, in: tx)
      }
      try AuditStore.append(
        AuditEntry(
          "run.completed", "plan", run.plan,
          after: ["run": .id(run.id), "targeted": .int(run.targeted)], by: .herald, at: now),
        in: tx)
      return true
    }
  }
}

extension ApprovedPlan {
  /// The crowd as SQL over `users u`: the trigger's segment within the submitter's user scope, both
  /// as they were approved.
  func crowd(
    now: Date, _ project: ProjectSettings, in tx: Transaction
  ) throws -> SQL {
    let segment = try predicate(document.trigger.condition, now: now, project, in: tx)
    guard let scope = try scope(now: now, project, in: tx) else { return segment }
    return "(\(segment)) AND (\(scope))"
  }

  /// The submitter's user scope; nil without one.
  func scope(
    now: Date, _ project: ProjectSettings, shape: SegmentCompiler.Shape = .crowd,
    in tx: Transaction
  ) throws -> SQL? {
    try manifest.userScope.map { try predicate(.stored($0), now: now, project, shape, in: tx) }
  }

  /// The audience condition as SQL over `users u`, as it was approved; nil without one.
  func audience(
    now: Date, _ project: ProjectSettings, shape: SegmentCompiler.Shape = .crowd,
    in tx: Transaction
  ) throws -> SQL? {
    try document.audience.map { try predicate($0, now: now, project, shape, in: tx) }
  }

  func predicate(
    _ condition: Condition, now: Date, _ project: ProjectSettings,
    _ shape: SegmentCompiler.Shape = .crowd,
    in tx: Transaction
  ) throws -> SQL {
    try SegmentCompiler.predicate(
      condition, closure: manifest.closure, now: now, projectZone: project.timeZone,
      unknown: project.unknownConsent, shape: shape,
      moving: EventHistory.isMoving(in: tx))
  }
}

extension PlanDocument {
  /// Codes that `people` need when each goes the way with the most (`max`) or fewest (`min`).
  func coupons(people: Int, _ pick: (Int, Int) -> Int) -> [String: Int] {
    var needed: [String: Int] = [:]
    for coupon in coupons { needed[coupon] = codes(coupon, pick) * people }
    return needed.filter { $0.value > 0 }
  }
}
