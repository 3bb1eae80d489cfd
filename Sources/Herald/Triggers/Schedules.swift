import Conditions
import Cryptography
import Foundation
import JSON
import Postgres

/// Live plans that run again and again: launches their occurrences, ends them when none can come.
struct Schedules: Sendable {
  let db: Database
  let plans: ApprovedPlans
  let launches: Launches

  /// How often the zones that people live in are asked for anew.
  private static let zoneCheck = 60.0

  /// Looks at what is due. True when there was something. Any number of processes may do it: the plan
  /// is locked, and an occurrence has one run.
  func advance(now: Date) async throws -> Bool {
    let due = try await db.read { try ScheduleStore.due(now: now, in: $0) }
    for name in due { try await look(name, now: now) }
    return !due.isEmpty
  }

  private func look(_ name: PlanVersionName, now: Date) async throws {
    let project = try await launches.settings()
    try await db.pool.write(timeout: Launches.patience) { tx in
      let plan = try PlanStore.lock(name.plan, in: tx)
      let version = try PlanStore.version(name.plan, name.version, in: tx)
      guard !plan.paused, let (start, closedAt) = try ScheduleStore.look(name, now: now, in: tx),
        version.state == .live || (version.state == .superseded && closedAt != nil)
      else { return }
      let approved = try plans.get(name.plan, name.version, in: tx)
      var next = approved.document.window?.until ?? .distantFuture
      var isOver = next <= closedAt ?? now
      if let recurrence = approved.document.trigger.recurrence {
        let zones =
          try recurrence.zone.map { [$0] } ?? UserZoneStore.inUse(project, in: tx)
        let firings = recurrence.firings(
          after: start, through: closedAt ?? now, now: now, zones: zones)
        for missed in firings.missed {
          try ScheduleStore.insertMissed(
            UUIDv7.next(now: now), name, occurrence: missed.name, now: now, in: tx)
        }
        for occurrence in firings.due where !isOver {
          let isLaunched = try launch(
            occurrence, approved, plan, version, project, now: now, in: tx)
          guard isLaunched else { return }
        }
        if let coming = recurrence.next(after: now, zones: zones) {
          let check = recurrence.zone == nil ? now.addingTimeInterval(Self.zoneCheck) : coming
          next = min(next, coming, check)
        } else {
          isOver = true
        }
      }
      if let closedAt {
        try ScheduleStore.end(name, at: closedAt, in: tx)
      } else if isOver {
        try end(name, plan, version, now: now, in: tx)
      } else {
        try ScheduleStore.save(name, lookedAt: now, dueAt: next, in: tx)
      }
    }
  }

  /// False when the plan was paused instead.
  private func launch(
    _ occurrence: Occurrence, _ approved: ApprovedPlan, _ plan: Plan, _ version: PlanVersion,
    _ project: ProjectSettings, now: Date, in tx: Transaction
  ) throws -> Bool {
    let crowd = try approved.crowd(at: occurrence, now: now, project, in: tx)
    let refusal = try launches.freeze(
      approved, occurrence: occurrence.name, crowd, project, now: now, in: tx)
    guard let refusal else { return true }
    // The version that came after it is not to be paused for this.
    if version.state == .superseded {
      try ScheduleStore.insertMissed(
        UUIDv7.next(now: now), PlanVersionName(plan: version.plan, version: version.version),
        occurrence: occurrence.name, now: now, in: tx)
      return true
    }
    try launches.refuse(refusal, plan, version, now: now, in: tx)
    return false
  }

  private func end(
    _ name: PlanVersionName, _ plan: Plan, _ version: PlanVersion, now: Date, in tx: Transaction
  ) throws {
    guard try ScheduleStore.closeRuns(name, now: now, in: tx) else {
      // The end of the last run hastens this.
      return try ScheduleStore.save(
        name, lookedAt: now, dueAt: now.addingTimeInterval(Self.zoneCheck), in: tx)
    }
    if let state = PlanLifecycle.next(version.state, .complete) {
      try PlanStore.setState(version, state, now: now, in: tx)
    }
    try ScheduleStore.end(name, at: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "plan.completed", "plan", name.plan, after: ["version": .int(name.version)], by: .herald,
        at: now), in: tx)
  }
}

/// A version that people may enter from now on.
enum StandingPlan {
  /// Opens it: the version becomes live.
  static func open(
    _ version: PlanVersion, _ document: PlanDocument, now: Date, in tx: Transaction
  ) throws {
    try PlanStore.setState(
      version, PlanLifecycle.after(.approved, .launch), now: now, in: tx)
    // An occurrence at this very instant counts, unless it was the version's before.
    let taken = try ScheduleStore.takenUntil(version.plan, before: version.version, in: tx)
    try ScheduleStore.insert(
      version.plan, version.version, from: max(now.addingTimeInterval(-1), taken ?? .distantPast),
      dueAt: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "plan.launched", "plan", version.plan, after: ["version": .int(version.version)],
        by: .herald, at: now), in: tx)
  }
}

extension PlanDocument {
  /// When an approved version is launched, or opened.
  func launchAt(approvedAt now: Date) -> Date {
    let asked = trigger.isStanding ? window?.from : trigger.at
    return max(asked ?? now, now)
  }
}

extension ApprovedPlan {
  /// The crowd of one occurrence as SQL over `users u`.
  func crowd(
    at occurrence: Occurrence, now: Date, _ project: ProjectSettings, in tx: Transaction
  ) throws -> SQL {
    let members: SQL
    switch document.trigger {
    case .date(let date): members = try date.crowd(at: occurrence, now: now, project, in: tx)
    case .once, .recurring, .event, .api, .scene: members = try crowd(now: now, project, in: tx)
    }
    var parts = [members]
    if let recurrence = document.trigger.recurrence, recurrence.zone == nil {
      parts.append("\(SegmentCompiler.zone(projectZone: project.timeZone)) = \(occurrence.zone)")
    }
    if case .date = document.trigger, let scope = try scope(now: now, project, in: tx) {
      parts.append(scope)
    }
    return SQL.joined(parts.map { "(\($0))" }, separator: " AND ")
  }
}

extension DateTrigger {
  /// Whose date and offset come to the occurrence's day. A person's 29 February is 1 March in a
  /// common year. Over `users u`.
  fileprivate func crowd(
    at occurrence: Occurrence, now: Date, _ project: ProjectSettings, in tx: Transaction
  ) throws -> SQL {
    let day = CivilDay(daysSince1970: occurrence.day.daysSince1970 - offsetDays)
    func compile(_ condition: Condition, now: Date) throws -> SQL {
      try SegmentCompiler.predicate(
        condition, closure: .empty, now: now, projectZone: project.timeZone,
        unknown: project.unknownConsent, moving: EventHistory.isMoving(in: tx))
    }
    switch origin {
    case .attribute(let key, isYearly: true):
      return try compile(
        .attribute(AttributeCondition(key: key, comparisons: [.matchesDay(.day(day))])), now: now)
    case .attribute(let key, isYearly: false):
      // A day by itself, or an instant within it.
      let clock = WallClock(TimeZone(identifier: occurrence.zone) ?? .gmt)
      let next = clock.midnight(CivilDay(daysSince1970: day.daysSince1970 + 1))
      return try compile(
        .any([
          .attribute(AttributeCondition(key: key, comparisons: [.eq(.string(day.description))])),
          .all([
            .attribute(
              AttributeCondition(
                key: key,
                comparisons: [
                  .contains("T"),
                  .after(.instant(clock.midnight(day).addingTimeInterval(-0.001))),
                  .before(.instant(next)),
                ]))
          ]),
        ]), now: now)
    case .event(let name, let filters, let pick):
      let clock = WallClock(TimeZone(identifier: occurrence.zone) ?? .gmt)
      let start = clock.midnight(day)
      let end = clock.midnight(CivilDay(daysSince1970: day.daysSince1970 + 1))
      let tests = SegmentCompiler.event(filters, now: now, projectZone: project.timeZone)
      func exists(_ when: SQL) -> SQL {
        let all: [SQL] = ["e.user_id = u.id", "e.name = \(name)", when] + tests
        return "EXISTS (SELECT FROM events e WHERE \(SQL.joined(all, separator: " AND ")))"
      }
      let onDay = exists("e.ts >= \(start) AND e.ts < \(end)")
      return pick == .each
        ? onDay : "(\(onDay) AND NOT \(exists("e.ts >= \(end) AND e.ts <= \(now)")))"
    }
  }
}
