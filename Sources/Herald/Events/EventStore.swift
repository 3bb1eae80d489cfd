import Cryptography
import Foundation
import Postgres

enum EventStore {
  /// Those keys that were not there before. Waits for whoever is inserting the same ones. `keys`
  /// must be sorted, so that two writers never wait for each other.
  static func insertKeys(
    _ keys: [UUID], seenOn day: Date, in tx: Transaction
  ) throws -> Set<UUID> {
    guard !keys.isEmpty else { return [] }
    let rows = try tx.query(
      """
      INSERT INTO event_keys (key, seen_on)
      SELECT key, (\(day)::timestamptz AT TIME ZONE 'UTC')::date FROM unnest(\(keys)) AS key
      ON CONFLICT (key) DO NOTHING
      RETURNING key
      """)
    return try rows.ids()
  }

  /// Of events that were refused after all.
  static func deleteKeys(_ keys: [UUID], in tx: Transaction) throws {
    try tx.execute("DELETE FROM event_keys WHERE key = ANY(\(keys))")
  }

  /// `source` and `messageID` in the order of `events`.
  static func insert(
    _ events: [(stored: StoredEvent, source: String, messageID: String?)], in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at,
        context, origin)
      SELECT * FROM unnest(\(events.map(\.stored.user)), \(events.map(\.stored.name)),
        \(events.map(\.stored.timestamp)), \(events.map(\.stored.id)),
        \(events.map { JSONB(bytes: $0.stored.properties) }), \(events.map(\.source)),
        \(events.map(\.messageID)), \(events.map(\.stored.receivedAt)),
        \(events.map { $0.stored.context.map { JSONB(bytes: $0) } }),
        \(events.map(\.stored.origin)))
      """)
  }

  /// Widens first_seen and last_seen. The latter is exact to a minute: a row is not rewritten for
  /// every click. Locks in the order of the ids.
  static func touchUsers(
    _ seen: [(user: UUID, first: Date, last: Date)], in tx: Transaction
  ) throws {
    let seen = seen.sorted(byID: \.user)
    try tx.execute(
      """
      WITH stale AS MATERIALIZED (
        SELECT u.id, n.first, n.last
        FROM unnest(\(seen.map(\.user)), \(seen.map(\.first)), \(seen.map(\.last)))
          AS n (id, first, last)
        JOIN users u ON u.id = n.id
        WHERE u.last_seen IS NULL OR n.last > u.last_seen + interval '1 minute'
          OR u.first_seen IS NULL OR n.first < u.first_seen
        ORDER BY u.id FOR UPDATE OF u
      )
      UPDATE users u SET first_seen = least(u.first_seen, s.first),
        last_seen = greatest(u.last_seen, s.last)
      FROM stale s WHERE u.id = s.id
      """)
  }
}
