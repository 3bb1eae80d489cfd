import Foundation
import JSON
import Postgres

extension Plans {
  /// Moves the people inside one version to another that was approved too: each goes on from the step
  /// they are at, with what the other version says of it. In one transaction with its audit entry.
  func migrate(
    _ key: String, _ versions: PlanMigration.Versions, by caller: Caller, now: Date
  ) async throws -> PlanMigration {
    let migration = try await db.write { tx in
      _ = try PlanStore.lock(key, in: tx)
      let from = try PlanStore.version(key, versions.from, in: tx)
      let to = try PlanStore.version(key, versions.to, in: tx)
      guard [.approved, .live, .paused, .completed].contains(to.state) else {
        throw HeraldError(
          .wrongState,
          "Version \(versions.to) is \(to.state.rawValue); people can be moved only to a version that "
            + "was approved and is neither cancelled nor superseded.", pointer: "/to")
      }
      let document = try PlanDocument.stored(to.document)
      let limit = document.trigger.isStream ? document.limits.audience : nil
      if let limit { _ = try StreamEntryStore.room(key, versions.to, limit: limit, in: tx) }
      let shared = try PlanDocument.stored(from.document).steps(sharedWith: document)
      let moved = try PlanMigrationStore.move(
        key, versions, always: shared.always, beforeSending: shared.beforeSending, now: now, in: tx)
      // They count for its limit, which does not keep anybody from being moved.
      if limit != nil { try StreamEntryStore.add(moved, key, versions.to, in: tx) }
      let left = try PlanMigrationStore.left(
        key, versions.from, always: shared.always, beforeSending: shared.beforeSending, in: tx)
      let migration = PlanMigration(
        versions: versions, moved: moved, stayed: left.stayed, busy: left.busy)
      try AuditStore.append(
        AuditEntry("plan.migrate", "plan", key, after: migration.json, by: caller, at: now), in: tx)
      return migration
    }
    wake.call()
    return migration
  }
}
