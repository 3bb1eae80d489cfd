import Foundation
import Postgres

/// Takes a person out of the rows that are about them. Rows that count (events, deliveries, coupons)
/// stay under the same id, without what was personal in them.
enum ErasureStore {
  /// The user must be locked.
  static func erase(_ user: UUID, now: Date, in tx: Transaction) throws {
    for table in [
      "identities", "identity_history", "consents", "consent_history", "devices", "user_tags",
      "segment_members",
    ] {
      try tx.execute("DELETE FROM \(identifier: table) WHERE user_id = \(user)")
    }
    try tx.execute(
      """
      UPDATE users SET attributes = '{}', time_zone = NULL, locale = NULL, erased_at = \(now),
        updated_at = \(now), version = version + 1
      WHERE id = \(user)
      """)
    try eraseEvents(of: user, in: tx)
    try eraseLedger(of: user, in: tx)
  }

  /// Amounts and flags stay, for the sums of reports; texts and whatever has a personal name go.
  private static func eraseEvents(of user: UUID, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE events SET message_id = NULL, properties = coalesce((
          SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(events.properties) p
          WHERE jsonb_typeof(p.value) IN ('number', 'boolean')
            AND NOT lower(regexp_replace(p.key, '[^[:alpha:]]', '', 'g'))
              = ANY(\(UserMask.personal.sorted()))
        ), '{}')
      WHERE user_id = \(user)
      """)
  }

  private static func eraseLedger(of user: UUID, in tx: Transaction) throws {
    try tx.execute(
      #"UPDATE deliveries SET "values" = NULL, provider_id = NULL WHERE user_id = \#(user)"#)
    try tx.execute(#"UPDATE enrolments SET "values" = NULL WHERE user_id = \#(user)"#)
    try tx.execute(#"UPDATE step_visits SET "values" = NULL WHERE user_id = \#(user)"#)
    try tx.execute("UPDATE attempts SET provider_id = NULL WHERE user_id = \(user)")
    try tx.execute("UPDATE queue SET content = NULL WHERE user_id = \(user)")
  }
}

extension Users {
  /// Erases a person for good. Their addresses stay suppressed, as hashes, should they be imported
  /// again; what is under way to them is skipped at its next gate.
  func erase(_ ref: UserRef, by caller: Caller, now: Date) async throws {
    try await db.write(timeout: .seconds(60)) { tx in
      let id = try UserScope.load(ref, for: caller, now: now, in: tx)
      try UserStore.lock([id], in: tx)
      let user = try UserStore.load(id, now: now, in: tx)
      let addresses =
        user.identities.filter { ["phone", "email", "wechat_openid"].contains($0.kind.key) }
        .map { SuppressedAddress(kind: $0.kind.key, value: $0.value) }
        + user.devices.map(SuppressedAddress.init)
      try SuppressionStore.add(addresses, reason: "erased", now: now, in: tx)
      try ErasureStore.erase(id, now: now, in: tx)
      try AuditStore.append(
        AuditEntry("user.erased", "user", id.text, by: caller, at: now), in: tx)
    }
  }
}
