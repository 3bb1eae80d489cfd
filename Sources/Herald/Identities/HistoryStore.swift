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

  /// Events under the id, counted up to a limit.
  static func count(of user: UUID, limit: Int, in db: any Queryable) throws -> Int {
    try db.one(
      "SELECT count(*) FROM (SELECT FROM events WHERE user_id = \(user) LIMIT \(limit)) e"
    )?.get(0) ?? 0
  }

  /// Looks at up to `limit` events after a position, at all that follow without one. The identity lock must be held or shared, so
  /// that nobody's user changes meanwhile. Ranges of the primary key and lookups by it: what it costs
  /// does not hang on how many events the planner thinks the user has.
  static func move(
    from user: UUID, after position: Position, limit: Int?, in tx: Transaction
  ) throws -> Step {
    // Compiling the statement took 110 of its 119 ms: it looks dear to the planner, and is not.
    try tx.execute("SET LOCAL jit = off")
    let last = try limit.flatMap { try end(of: user, after: position, limit: $0, in: tx) }
    let range: SQL =
      last.map { "AND (name, ts, id) <= (\($0.name), \($0.timestamp), \($0.id))" } ?? .empty
    let moved = try tx.one(
      """
      WITH gone AS (
        DELETE FROM events e WHERE user_id = \(user)
          AND (name, ts, id) > (\(position.name), \(position.timestamp), \(position.id)) \(range)
          AND \(home) <> \(user)
        RETURNING \(home) AS home, name, ts, id, properties, source, message_id, received_at,
          coalesce(origin, user_id) AS origin, context
      ), come AS (
        INSERT INTO events (user_id, name, ts, id, properties, source, message_id, received_at,
          origin, context)
        SELECT home, name, ts, id, properties, source, message_id, received_at,
          nullif(origin, home), context FROM gone
      ), seen AS (
        UPDATE users u SET first_seen = least(u.first_seen, s.first),
          last_seen = greatest(u.last_seen, s.last)
        FROM (SELECT home, min(ts) AS first, max(ts) AS last FROM gone GROUP BY home) s
        WHERE u.id = s.home
      )
      SELECT count(*) AS moved FROM gone
      """)
    return Step(moved: try moved?.get("moved") ?? 0, position: last)
  }

  /// The last of so many events; nil when there are fewer.
  private static func end(
    of user: UUID, after position: Position, limit: Int, in tx: Transaction
  ) throws -> Position? {
    try tx.one(
      """
      SELECT name, ts, id FROM events WHERE user_id = \(user)
        AND (name, ts, id) > (\(position.name), \(position.timestamp), \(position.id))
      ORDER BY name, ts, id OFFSET \(limit - 1) LIMIT 1
      """
    ).map { row in
      Position(name: try row.get("name"), timestamp: try row.get("ts"), id: try row.get("id"))
    }
  }

  /// Who stands for the user that an event `e` came in for.
  private static let home: SQL = """
    coalesce((SELECT a.user_id FROM user_aliases a WHERE a.alias_id = coalesce(e.origin, e.user_id)),
      e.origin, e.user_id)
    """
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
