import Foundation
import Postgres

/// One user's part in a receipt that takes something away.
struct ReachLoss: Sendable {
  let userID: UUID
  /// When the delivery was made: it went to the address that was the first choice then.
  let sentAt: Date
  /// When it happened.
  let at: Date
}

/// What receipts take away: devices, addresses, consent. Attempts do not keep their address, so the
/// choice of `ReachRule` at the time of the delivery is made again. Losses: one a user, sorted.
enum ReachStore {
  /// The device is dead, unless it registered again after the loss.
  static func killDevices(
    _ losses: [ReachLoss], providers: Set<String>?, now: Date, in tx: Transaction
  ) throws {
    let providers = providers.map { $0.sorted() }
    // A device that died after the delivery was alive then: it stays the one that was chosen.
    try tx.execute(
      """
      WITH gone AS (
        SELECT DISTINCT ON (d.user_id) d.user_id, d.provider, d.token, t.at
        FROM unnest(\(losses.map(\.userID)), \(losses.map(\.sentAt)), \(losses.map(\.at)))
          AS t (user_id, sent_at, at)
        JOIN devices d ON d.user_id = t.user_id AND d.created_at <= t.sent_at
          AND (d.state = 'active' OR d.updated_at > t.sent_at)
        WHERE \(providers)::text[] IS NULL OR d.provider = ANY(\(providers)::text[])
        ORDER BY d.user_id, d.created_at, d.token)
      UPDATE devices d SET state = 'dead', updated_at = \(now) FROM gone
      WHERE d.user_id = gone.user_id AND d.provider = gone.provider AND d.token = gone.token
        AND d.state = 'active' AND d.updated_at <= gone.at
      """)
  }

  /// The address of `kind` gets nothing any more.
  static func suppressAddresses(
    _ losses: [ReachLoss], kind: String, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO suppressions (kind, value_hash, reason, created_at)
      SELECT \(kind), hash, 'bounced', \(now) FROM (
        SELECT DISTINCT ON (i.user_id) sha256(convert_to(i.value, 'UTF8')) AS hash
        FROM unnest(\(losses.map(\.userID)), \(losses.map(\.sentAt))) AS t (user_id, sent_at)
        JOIN identities i ON i.user_id = t.user_id AND i.kind = \(kind)
          AND i.created_at <= t.sent_at
        WHERE NOT EXISTS (SELECT FROM suppressions s
          WHERE s.kind = i.kind AND s.value_hash = sha256(convert_to(i.value, 'UTF8'))
            AND s.created_at <= t.sent_at)
        ORDER BY i.user_id, i.created_at, i.value) AS bounced
      GROUP BY hash ORDER BY hash
      ON CONFLICT DO NOTHING
      """)
  }

  /// Denies a channel; what changes also goes to the history. A newer word of the user stands.
  static func denyConsent(
    _ losses: [ReachLoss], channel: Channel, now: Date, in tx: Transaction
  ) throws {
    // A provider's clock that runs ahead must not outrank what the user says tomorrow.
    let instants = losses.map { min($0.at, now) }
    try tx.execute(
      """
      WITH changed AS (
        INSERT INTO consents AS c (user_id, channel, state, source, at)
        SELECT user_id, \(channel.rawValue), 'denied', 'receipt', at
        FROM unnest(\(losses.map(\.userID)), \(instants)) AS t (user_id, at)
        ORDER BY user_id
        ON CONFLICT (user_id, channel, subscription_group) DO UPDATE
          SET state = excluded.state, source = excluded.source, at = excluded.at
          WHERE c.state <> 'denied' AND c.at <= excluded.at
        RETURNING user_id, at)
      INSERT INTO consent_history (user_id, id, channel, state, source, at)
      SELECT user_id, gen_random_uuid(), \(channel.rawValue), 'denied', 'receipt', at FROM changed
      """)
  }
}
