import Foundation
import JSON
import Postgres

/// Whether what should not have followed an event has followed it.
enum EntryTimerStore {
  struct Timer: Sendable {
    let since: Date
    /// When the event came that ends the enrolment.
    let ended: Date?
  }

  /// Looks at the events of people who entered by an event of `trigger`. The rows that wait must be
  /// locked: an event that is stored later then makes them due again.
  static func look(
    _ enrolments: [EnrolmentName], _ unless: EventTrigger.Unless, projectZone: String, now: Date,
    in tx: Transaction
  ) throws -> [EnrolmentName: Timer] {
    let filters = SegmentCompiler.event(unless.filters, now: now, projectZone: projectZone)
    let tests: [SQL] = filters + (unless.same.map { [same($0)] } ?? [])
    let statement: SQL = """
      WITH asked AS (
        SELECT n.*, coalesce(a.user_id, n.user_id) AS person
        FROM unnest(\(enrolments.map(\.user)), \(enrolments.map(\.run)),
          \(enrolments.map(\.entryKey))) AS n (user_id, run_id, entry_key)
        LEFT JOIN user_aliases a ON a.alias_id = n.user_id
      )
      SELECT n.user_id, n.run_id, n.entry_key, coalesce(w.since, w.entered_at) AS since,
        (SELECT min(e.ts) FROM events e
          WHERE e.user_id IN (SELECT n.person UNION ALL
              SELECT x.alias_id FROM user_aliases x WHERE x.user_id = n.person)
            AND e.name = \(unless.event) AND e.ts >= w.since
            AND e.ts <= w.since + make_interval(secs => \(Double(unless.within.seconds)))
            -- Of one instant, what was told later came later.
            AND (e.ts > w.since OR e.id > (w."values" #>> '{event,id}')::uuid)
            AND \(SQL.joined(tests.isEmpty ? ["true"] : tests, separator: " AND "))) AS ended
      FROM asked n
      JOIN enrolments w ON w.user_id = n.user_id AND w.run_id = n.run_id
        AND w.entry_key = n.entry_key
      LEFT JOIN users u ON u.id = n.person
      """
    var timers: [EnrolmentName: Timer] = [:]
    for row in try tx.query(statement) {
      let name = EnrolmentName(
        user: try row.get("user_id"), run: try row.get("run_id"),
        entryKey: try row.get("entry_key"))
      timers[name] = Timer(since: try row.get("since"), ended: try row.get("ended"))
    }
    return timers
  }

  private static func same(_ property: String) -> SQL {
    let mine: SQL = #"w."values" -> 'event' -> 'properties' -> \#(property)"#
    return """
      e.properties -> \(property) = \(mine) \
      AND jsonb_typeof(e.properties -> \(property)) <> 'null'
      """
  }

  /// What people brought along when they entered: properties of the event, scene or call.
  static func properties(
    _ enrolments: [EnrolmentName], in tx: Transaction
  ) throws -> [EnrolmentName: JSONObject] {
    guard !enrolments.isEmpty else { return [:] }
    let rows = try tx.query(
      """
      SELECT n.user_id, n.run_id, n.entry_key,
        e."values" -> 'event' -> 'properties' AS properties
      FROM unnest(\(enrolments.map(\.user)), \(enrolments.map(\.run)),
        \(enrolments.map(\.entryKey))) AS n (user_id, run_id, entry_key)
      JOIN enrolments e ON e.user_id = n.user_id AND e.run_id = n.run_id
        AND e.entry_key = n.entry_key
      WHERE e."values" ? 'event'
      """)
    var found: [EnrolmentName: JSONObject] = [:]
    for row in rows {
      let name = EnrolmentName(
        user: try row.get("user_id"), run: try row.get("run_id"),
        entryKey: try row.get("entry_key"))
      found[name] = try row.optionalJSON("properties")?.objectValue
    }
    return found
  }
}
