import Cryptography
import Foundation
import Postgres

/// What receipts take away: devices, addresses, consent.
enum ReachStore {
  /// The newest device of each user that a message of this sender may have gone to is dead. Devices
  /// seen after `at` are left alone: a reinstall outlives its uninstall.
  static func killDevices(
    of users: [(userID: UUID, at: Date)], providers: Set<String>?, now: Date, in tx: Transaction
  ) throws {
    let providers = providers.map { $0.sorted() }
    try tx.execute(
      """
      WITH gone AS (
        SELECT DISTINCT ON (d.user_id) d.user_id, d.provider, d.token
        FROM unnest(\(users.map(\.userID)), \(users.map(\.at))) AS t (user_id, at)
        JOIN devices d ON d.user_id = t.user_id AND d.state = 'active' AND d.updated_at <= t.at
        WHERE \(providers)::text[] IS NULL OR d.provider = ANY(\(providers)::text[])
        ORDER BY d.user_id, d.updated_at DESC, d.token)
      UPDATE devices d SET state = 'dead', updated_at = \(now) FROM gone
      WHERE d.user_id = gone.user_id AND d.provider = gone.provider AND d.token = gone.token
      """)
  }

  /// The newest address of `kind` that each user had when the delivery was made is suppressed.
  static func suppressAddresses(
    of users: [(userID: UUID, at: Date)], kind: String, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO suppressions (kind, value_hash, reason, created_at)
      SELECT \(kind), hash, 'bounced', \(now) FROM (
        SELECT DISTINCT ON (i.user_id) sha256(convert_to(i.value, 'UTF8')) AS hash
        FROM unnest(\(users.map(\.userID)), \(users.map(\.at))) AS t (user_id, at)
        JOIN identities i ON i.user_id = t.user_id AND i.kind = \(kind) AND i.created_at <= t.at
        ORDER BY i.user_id, i.created_at DESC, i.value) AS bounced
      ORDER BY hash
      ON CONFLICT DO NOTHING
      """)
  }

  /// Denies a channel. A newer word of the user stands; the history has every one. One row a user.
  static func denyConsent(
    of users: [(userID: UUID, at: Date)], channel: Channel, now: Date, in tx: Transaction
  ) throws {
    let ids = users.map(\.userID)
    // A provider's clock that runs ahead must not outrank what the user says tomorrow.
    let instants = users.map { min($0.at, now) }
    try tx.execute(
      """
      INSERT INTO consents AS c (user_id, channel, state, source, at)
      SELECT user_id, \(channel.rawValue), 'denied', 'receipt', at
      FROM unnest(\(ids), \(instants)) AS t (user_id, at)
      ON CONFLICT (user_id, channel, subscription_group) DO UPDATE
        SET state = 'denied', source = 'receipt', at = excluded.at
        WHERE c.at <= excluded.at
      """)
    try tx.execute(
      """
      INSERT INTO consent_history (user_id, id, channel, state, source, at)
      SELECT user_id, id, \(channel.rawValue), 'denied', 'receipt', at
      FROM unnest(\(ids), \(users.map { _ in UUIDv7.next(now: now) }), \(instants))
        AS t (user_id, id, at)
      """)
  }
}
