import Foundation
import JSON
import Postgres

/// What a replay reads of the past.
enum ReplayStore {
  /// Events of a name in the period, in order; of merged people under the id that stands. One more
  /// than `limit` at most. `visible`: over `users u`.
  static func events(
    _ name: String, _ period: Replay.Period, visible: SQL, limit: Int, in tx: Transaction
  ) throws -> [ReplayEvent] {
    try tx.query(
      SQL(
        """
        SELECT u.id AS user_id, e.id, e.name, e.ts, e.properties
        FROM events e LEFT JOIN user_aliases a ON a.alias_id = e.user_id
        JOIN users u ON u.id = coalesce(a.user_id, e.user_id)
        WHERE e.name = \(name) AND e.ts >= \(period.from) AND e.ts < \(period.until)
          AND u.erased_at IS NULL AND (\(visible))
        ORDER BY e.ts, e.id LIMIT \(limit + 1)
        """
      ).unprepared()
    ).map(ReplayEvent.init)
  }

  /// Events of these names of people up to the end, by person in order.
  static func events(
    of people: [UUID], _ names: Set<String>, _ period: Replay.Period, limit: Int,
    in tx: Transaction
  ) throws -> [UUID: [ReplayEvent]] {
    guard !people.isEmpty, !names.isEmpty else { return [:] }
    let rows = try tx.query(
      SQL(
        """
        SELECT p.id AS user_id, e.id, e.name, e.ts, e.properties
        FROM unnest(\(people)) AS p (id)
        CROSS JOIN LATERAL (SELECT p.id UNION ALL
          SELECT a.alias_id FROM user_aliases a WHERE a.user_id = p.id) AS own (id)
        JOIN events e ON e.user_id = own.id AND e.name = ANY(\(names.sorted()))
          AND e.ts >= \(period.from) AND e.ts <= \(period.until)
        ORDER BY e.ts, e.id LIMIT \(limit + 1)
        """
      ).unprepared())
    guard rows.count <= limit else {
      throw HeraldError(
        .conflict,
        "More than \(limit) events would have to be looked at; replay a shorter period.")
    }
    return Dictionary(grouping: try rows.map(ReplayEvent.init), by: \.user)
  }

  /// Who had such an event before the period. `tests`: over events `e`.
  static func known(
    _ people: [UUID], name: String, before start: Date, _ tests: [SQL], in tx: Transaction
  ) throws -> Set<UUID> {
    guard !people.isEmpty else { return [] }
    let all: [SQL] = ["e.name = \(name)", "e.ts < \(start)"] + tests
    let rows = try tx.query(
      SQL(
        """
        SELECT p.id FROM unnest(\(people)) AS p (id)
        LEFT JOIN users u ON u.id = p.id
        WHERE EXISTS (SELECT FROM events e
          WHERE e.user_id IN (SELECT p.id UNION ALL
              SELECT a.alias_id FROM user_aliases a WHERE a.user_id = p.id)
            AND \(SQL.joined(all, separator: " AND ")))
        """
      ).unprepared())
    return try rows.ids()
  }

  /// The crowd of an occurrence; one more than `limit` at most.
  static func crowd(_ predicate: SQL, limit: Int, in tx: Transaction) throws -> [UUID] {
    try tx.query(
      SQL(
        """
        SELECT u.id FROM users u WHERE u.erased_at IS NULL AND (\(predicate))
        ORDER BY u.id LIMIT \(limit + 1)
        """
      ).unprepared()
    ).map { try $0.get(0) }
  }

  /// Who is held out, and the arms of the others. Arms that are not kept yet are drawn.
  static func draw(
    _ draw: EntryDraw, of people: [UUID], in tx: Transaction
  ) throws -> [UUID: (held: String?, arm: String?)] {
    guard !people.isEmpty else { return [:] }
    let rows = try tx.query(
      SQL(
        """
        SELECT id, \(draw.holdout.verdict) AS held, \(draw.arm) AS arm
        FROM (SELECT p.id, \(draw.columns(of: "p.id")) FROM unnest(\(people)) AS p (id)) AS drawn
        """
      ).unprepared())
    var drawn: [UUID: (held: String?, arm: String?)] = [:]
    for row in rows { drawn[try row.get("id")] = (try row.get("held"), try row.get("arm")) }
    return drawn
  }
}

extension ReplayEvent {
  fileprivate init(_ row: Row) throws {
    user = try row.get("user_id")
    id = try row.get("id")
    name = try row.get("name")
    at = try row.get("ts")
    properties = try row.json("properties").objectValue ?? [:]
  }
}
