import Foundation
import JSON
import Postgres

/// The queue of conflicts that rules do not settle, and a person's decisions on them.
struct IdentityConflicts: Sendable {
  let db: Database

  func list(
    _ page: PageRequest, state: String?, for caller: Caller, now: Date
  ) async throws -> Page<IdentityConflict> {
    let rows = try await db.read { db in
      let visible: SQL =
        caller.userScope == nil
        ? "TRUE"
        : """
        2 = (SELECT count(*) FROM users u
          WHERE u.id IN (
            coalesce((SELECT user_id FROM user_aliases WHERE alias_id = c.one_id), c.one_id),
            coalesce((SELECT user_id FROM user_aliases WHERE alias_id = c.other_id), c.other_id))
            AND (\(try UserScope.predicate(caller, now: now, in: db))))
        """
      var rows = try IdentityConflictStore.list(page, state: state, visible: visible, in: db)
      let open = rows.indices.filter { rows[$0].state == .open }
      let arms = try ArmStore.differences(
        open.map { (rows[$0].pair.one, rows[$0].pair.other) }, in: db)
      for (place, index) in open.enumerated() { rows[index].differingArms = arms[place] ?? [] }
      return rows
    }
    return Page(rows, page) { [$0.id.text] }
  }

  /// Merges the two, or tells them apart for good. 409 when it was decided before.
  func resolve(
    _ id: UUID, _ decision: IdentityConflict.Decision, comment: String?, by caller: Caller,
    now: Date
  ) async throws -> IdentityConflict {
    try await db.write(timeout: .seconds(60)) { tx in
      try IdentityLock.holdAlone(in: tx)
      let conflict = try IdentityConflictStore.lock(id, in: tx)
      guard conflict.state == .open else {
        throw HeraldError(.wrongState, "This conflict is settled already.")
      }
      let ids = [conflict.pair.one, conflict.pair.other]
      let users = try UserScope.resolve(ids.map(UserRef.id), for: caller, now: now, in: tx)
      guard let one = users[0], let other = users[1] else {
        // Erased, or outside of what the key may see.
        throw HeraldError.notFound("conflict", id.text)
      }
      switch decision {
      case .merge:
        if one != other {
          _ = try Merges.merge(one, other, reason: .conflict, by: caller, now: now, in: tx)
        }
        try IdentityConflictStore.resolve(
          id, .merged, comment: comment, by: caller.principal, now: now, in: tx)
      case .keepApart:
        guard one != other else {
          throw HeraldError(
            .wrongState, "They were merged meanwhile; undo that under /v1/merges to part them.")
        }
        try MergeStore.separate(UserPair(one, other), by: caller.principal, now: now, in: tx)
        try IdentityConflictStore.resolve(
          id, .keptApart, comment: comment, by: caller.principal, now: now, in: tx)
      }
      try AuditStore.append(
        AuditEntry(
          "identity_conflict.resolved", "identity_conflict", id.text,
          after: ["decision": .string(decision.rawValue)], by: caller, at: now), in: tx)
      return try IdentityConflictStore.lock(id, in: tx)
    }
  }
}
