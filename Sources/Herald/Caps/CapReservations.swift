import Foundation
import JSON
import Postgres

/// Lets scheduled runs hold the slots of their crowds before they are due. Any number of processes
/// may do it: each occurrence holds once.
struct CapReservations: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings
  private let plans = ApprovedPlans()

  init(db: Database, settings: @escaping @Sendable () async throws -> ProjectSettings) {
    self.db = db
    self.settings = settings
  }

  func advance(now: Date) async throws {
    let names = try await db.read { try CapReservationStore.plans(in: $0) }
    for name in names { try await hold(name, now: now) }
    _ = try await db.pool.write { tx in try CapReservationStore.prune(now: now, in: tx) }
  }

  /// Holds for the occurrences of a plan that come within its `reserve`.
  private func hold(_ name: PlanVersionName, now: Date) async throws {
    let project = try await settings()
    try await db.pool.write(timeout: Launches.patience) { tx in
      let approved = try plans.get(name.plan, name.version, in: tx)
      guard let reserve = approved.document.pressure.reserve,
        let channel = approved.document.steps.first(where: { !$0.chain.isEmpty })?.chain.first?
          .channel
      else { return }
      let span = Double(reserve.seconds)
      let coming = try Self.coming(
        name, approved, now: now, end: now.addingTimeInterval(span), project, in: tx)
      for occurrence in coming
      where try !CapReservationStore.isMade(name, occurrence.name, in: tx) {
        let crowd = try approved.reserved(at: occurrence, now: now, project, in: tx)
        let slot = CapReservation(
          plan: name.plan, priority: approved.document.priority, channel: channel,
          category: approved.document.category, dueAt: occurrence.at,
          until: occurrence.at.addingTimeInterval(span))
        try CapReservationStore.make(
          CapReservationStore.Reserve(name: name, occurrence: occurrence.name, slot: slot), crowd,
          now: now, in: tx)
      }
    }
  }

  private static func coming(
    _ name: PlanVersionName, _ approved: ApprovedPlan, now: Date, end: Date,
    _ project: ProjectSettings, in tx: Transaction
  ) throws -> [Occurrence] {
    guard let recurrence = approved.document.trigger.recurrence else {
      let version = try PlanStore.version(name.plan, name.version, in: tx)
      guard version.state == .approved, let at = version.launchAt, at > now, at <= end else {
        return []
      }
      return [Occurrence(at: at, zone: project.timeZone)]
    }
    let zones = try recurrence.zone.map { [$0] } ?? UserZoneStore.inUse(project, in: tx)
    let firings = recurrence.firings(after: now, through: end, now: end, zones: zones)
    return firings.missed + firings.due
  }
}

extension ApprovedPlan {
  /// Who is to be sent something at an occurrence, as far as it can be told beforehand; over `users u`.
  fileprivate func reserved(
    at occurrence: Occurrence, now: Date, _ project: ProjectSettings, in tx: Transaction
  ) throws -> SQL {
    var parts = [try crowd(at: occurrence, now: now, project, in: tx)]
    if let audience = try audience(now: now, project, in: tx) { parts.append(audience) }
    if document.holdoutBuckets > 0 {
      parts.append(
        "herald_bucket(\("holdout:\(key)"), u.id::text) >= \(document.holdoutBuckets)")
    }
    return SQL.joined(parts.map { "(\($0))" }, separator: " AND ")
  }
}
