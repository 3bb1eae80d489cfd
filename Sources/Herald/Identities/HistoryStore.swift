import Foundation
import Postgres

/// Brings events to the user that stands for whom they came in for. Every event has one such user:
/// that of `coalesce(origin, user_id)`, by `user_aliases`. A merge and an undo change who it is; the
/// same move serves both.
enum HistoryStore {
  /// Where a walk through a user's events has come to, by the order of the primary key.
  struct Position: Sendable, Equatable {
    var name: String
    var timestamp: Date
    var id: UUID

    static let start = Position(
      name: "", timestamp: Date(timeIntervalSince1970: -1_000_000_000),
      id: UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)))
  }

  struct Step: Sendable {
    let moved: Int
    /// Nil at the end.
    let position: Position?
  }

  static func hasMoreEvents(
    than limit: Int, _ user: UUID, in db: any Queryable
  ) throws -> Bool {
    try db.one("SELECT 1 FROM events WHERE user_id = \(user) OFFSET \(limit) LIMIT 1") != nil
  }

  /// Looks at up to `limit` events after a position. The identity lock must be held or shared, so
  /// that nobody's user changes meanwhile.
  static func move(
    from user: UUID, after position: Position, limit: Int, in tx: Transaction
  ) throws -> Step {
    // A hash join would read all events of the user for each step.
    try tx.execute("SET LOCAL enable_hashjoin = off")
    try tx.execute("SET LOCAL enable_mergejoin = off")
    let row = try tx.one(
      """
      WITH picked AS MATERIALIZED (
        SELECT name, ts, id, coalesce(origin, user_id) AS origin FROM events
        WHERE user_id = \(user)
          AND (name, ts, id) > (\(position.name), \(position.timestamp), \(position.id))
        ORDER BY name, ts, id LIMIT \(limit)
      ), homeless AS MATERIALIZED (
        SELECT p.*, coalesce(a.user_id, p.origin) AS home FROM picked p
        LEFT JOIN user_aliases a ON a.alias_id = p.origin
        WHERE coalesce(a.user_id, p.origin) <> \(user)
      ), gone AS (
        DELETE FROM events e USING homeless h
        WHERE e.user_id = \(user) AND e.name = h.name AND e.ts = h.ts AND e.id = h.id
        RETURNING h.home, e.name, e.ts, e.id, e.properties, e.source, e.message_id,
          e.received_at, nullif(h.origin, h.home) AS origin, e.context
      ), come AS (
        INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at,
          origin, context)
        SELECT * FROM gone
      ), seen AS (
        UPDATE users u SET first_seen = least(u.first_seen, s.first),
          last_seen = greatest(u.last_seen, s.last)
        FROM (SELECT home, min(ts) AS first, max(ts) AS last FROM gone GROUP BY home) s
        WHERE u.id = s.home
      )
      SELECT (SELECT count(*) FROM picked) AS looked, (SELECT count(*) FROM gone) AS moved,
        l.name, l.ts, l.id
      FROM (SELECT) one LEFT JOIN LATERAL (
        SELECT name, ts, id FROM picked ORDER BY name DESC, ts DESC, id DESC LIMIT 1) l ON true
      """)
    try tx.execute("SET LOCAL enable_hashjoin = on")
    try tx.execute("SET LOCAL enable_mergejoin = on")
    guard let row else { return Step(moved: 0, position: nil) }
    let looked: Int = try row.get("looked")
    return Step(
      moved: try row.get("moved"),
      position: looked < limit
        ? nil
        : Position(
          name: try row.get("name"), timestamp: try row.get("ts"), id: try row.get("id")))
  }
}

// MARK: - Large histories

extension HistoryStore {
  /// A move that is under way.
  struct Unfinished: Sendable {
    let merge: UUID
    let user: UUID
    let position: Position
  }

  /// The oldest that no other process works at; locked.
  static func claim(in tx: Transaction) throws -> Unfinished? {
    try tx.one(
      """
      SELECT id, moving_from, moved_name, moved_ts, moved_event FROM user_merges
      WHERE state IN ('moving', 'undoing') AND moving_from IS NOT NULL
      ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
      """
    ).map { row in
      var position = Position.start
      if let name = try row.get("moved_name", as: String?.self) {
        position = Position(
          name: name, timestamp: try row.get("moved_ts"), id: try row.get("moved_event"))
      }
      return Unfinished(
        merge: try row.get("id"), user: try row.get("moving_from"), position: position)
    }
  }

  static func advance(_ work: Unfinished, _ step: Step, in tx: Transaction) throws {
    guard let position = step.position else {
      try tx.execute(
        """
        UPDATE user_merges SET moving_from = NULL, moved_events = moved_events + \(step.moved),
          state = CASE state WHEN 'moving' THEN 'merged' ELSE 'undone' END
        WHERE id = \(work.merge)
        """)
      try tx.execute(
        """
        UPDATE user_aliases SET moving = false WHERE alias_id = \(work.user) AND moving
        """)
      return
    }
    try tx.execute(
      """
      UPDATE user_merges SET moved_events = moved_events + \(step.moved),
        moved_name = \(position.name), moved_ts = \(position.timestamp),
        moved_event = \(position.id)
      WHERE id = \(work.merge)
      """)
  }
}
