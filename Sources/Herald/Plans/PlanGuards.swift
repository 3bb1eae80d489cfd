import Foundation
import JSON
import Postgres

/// Looks after live plans and pauses those that go wrong. Any number of processes may do it.
public struct PlanGuards: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings

  /// An event plan with fewer entries a week is left alone: a handful more is no flood.
  static let fewestEntries = 100

  /// Judges the rates of what was handed over lately. Returns what was paused, for the log.
  func watchRates(now: Date) async throws -> [String] {
    let rule = try await settings().autoPause
    guard rule.errorRate != nil || rule.unsubscribeRate != nil else { return [] }
    let from = now.addingTimeInterval(-Double(rule.within.seconds))
    var paused: [String] = []
    let seen = try await db.read { try PlanGuardStore.seen(since: from, in: $0) }
    for (plan, figures) in seen.sorted(by: { $0.key < $1.key }) {
      let judged = try await judge(plan, figures, rule, from: from)
      guard let judged else { continue }
      if try await pause(plan, version: nil, judged, now: now) {
        paused.append("plan '\(plan)' was paused: \(judged.text)")
      }
    }
    return paused
  }

  private func judge(
    _ plan: String, _ figures: PlanGuard.Seen, _ rule: PlanGuard, from: Date
  ) async throws -> PlanPause? {
    var figures = figures
    if rule.unsubscribeRate != nil, figures.sent >= rule.minDeliveries {
      figures.unsubscribed = try await db.read {
        try PlanGuardStore.unsubscribed(plan, since: from, in: $0)
      }
    }
    return rule.judge(figures)
  }

  /// Judges whether more people enter event plans than were approved: over seven days, against those
  /// of the seven days before the submission.
  func watchStreams(now: Date) async throws -> [String] {
    let rule = try await settings().autoPause
    guard rule.audienceGrowth != nil else { return [] }
    let from = now.addingTimeInterval(-7 * 86_400)
    var paused: [String] = []
    for stream in try await db.read({ try PlanGuardStore.streams(in: $0) }) {
      let approved = max(stream.approved, Self.fewestEntries)
      guard let most = rule.mostPeople(approved: approved) else { continue }
      let count = try await db.read {
        try PlanGuardStore.entries(stream.plan, stream.version, since: from, upTo: most, in: $0)
      }
      guard count > most else { continue }
      let all = try await db.read {
        try PlanGuardStore.entries(
          stream.plan, stream.version, since: from, upTo: 10_000_000, in: $0)
      }
      guard let judged = rule.judge(people: all, approved: approved) else { continue }
      if try await pause(stream.plan, version: stream.version, judged, now: now) {
        paused.append("plan '\(stream.plan)' was paused: \(judged.text)")
      }
    }
    return paused
  }

  func prune(now: Date) async throws -> Int {
    let before = now.addingTimeInterval(-Double(PlanGuard.longest.seconds) - 3600)
    return try await db.write { try PlanGuardStore.prune(before: before, in: $0) }
  }

  /// False when the plan is paused or over already, or another version is live.
  private func pause(
    _ key: String, version: Int?, _ pause: PlanPause, now: Date
  ) async throws -> Bool {
    try await db.write { tx in
      let plan = try PlanStore.lock(key, in: tx)
      guard !plan.paused, let number = plan.liveVersion, version ?? number == number else {
        return false
      }
      let live = try PlanStore.version(key, number, in: tx)
      guard PlanLifecycle.next(live.state, .pause) != nil else { return false }
      try Self.pause(pause, plan, live, now: now, in: tx)
      return true
    }
  }

  /// Pauses a live version, in the transaction that found the reason. The plan's row is locked.
  static func pause(
    _ pause: PlanPause, _ plan: Plan, _ version: PlanVersion, now: Date, in tx: Transaction
  ) throws {
    try PlanStore.setState(
      version, .paused, reason: pause.text, launchAt: version.launchAt, now: now, in: tx)
    try PlanStore.save(
      plan, draft: plan.draftVersion, live: version.version, paused: true, now: now, in: tx)
    let inFlight = try QueueStore.inFlight(plan: plan.key, in: tx)
    try PlanGuardStore.insert(
      pause, plan.key, version.version, inFlight: inFlight, now: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "plan.auto_paused", "plan", plan.key, before: ["state": .string(version.state.rawValue)],
        after: [
          "version": .int(version.version), "reason": .string(pause.reason.rawValue),
          "detail": .string(pause.detail), "values": pause.values, "in_flight": .int(inFlight),
        ], by: .herald, at: now), in: tx)
  }
}
