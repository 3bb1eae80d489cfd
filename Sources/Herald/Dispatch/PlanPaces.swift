import Foundation
import Postgres

/// Slows plans down while they run. What was approved stays the most.
struct PlanPaces: Sendable {
  let db: Database

  func get(_ plan: String) async throws -> PlanPace {
    try await db.read { try PlanPaceStore.load(plan, in: $0) }
  }

  /// Nil: as approved. Holds from the next batch on, in every process.
  func put(
    _ perSecond: Double?, of plan: String, by caller: Caller, now: Date
  ) async throws -> PlanPace {
    try await db.write { tx in
      _ = try PlanStore.lock(plan, in: tx)
      let before = try PlanPaceStore.load(plan, in: tx)
      if let perSecond, let most = before.approvedPerMinute, perSecond > Double(most) / 60 {
        throw HeraldError(
          .invalid,
          "At most \(most) a minute were approved; to go faster, change limits.per_minute and have it "
            + "approved.", pointer: "/per_second")
      }
      try PlanPaceStore.save(perSecond, of: plan, in: tx)
      let after = try PlanPaceStore.load(plan, in: tx)
      try AuditStore.append(
        AuditEntry(
          "plan.pace", "plan", plan, before: before.json, after: after.json, by: caller, at: now),
        in: tx)
      return after
    }
  }
}
