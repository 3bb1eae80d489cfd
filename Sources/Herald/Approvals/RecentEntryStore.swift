import Foundation
import JSON
import Postgres

/// How many people a trigger would have let in lately.
enum RecentEntryStore {
  struct Count: Sendable {
    let week: Int
    let month: Int
  }

  /// Entries by events of the last 7 and 30 days whose waits are over or never would have been,
  /// without those held out and before re-entries are counted. `fits`: over `users u`.
  static func count(
    _ trigger: EventTrigger, fits: SQL, holdout: Holdout, projectZone: String,
    now: Date, in tx: Transaction
  ) throws -> Count {
    let filters = SegmentCompiler.event(trigger.filters, now: now, projectZone: projectZone)
    let matching: [SQL] = ["e.name = \(trigger.event)"] + filters
    let month = now.addingTimeInterval(-30 * 86_400)
    var tests: [SQL] = [fits, "NOT \(holdout.holds("u.id"))"]
    if trigger.occurrence == .first {
      let all = matching + ["e.user_id = u.id", "(e.ts, e.id) < (a.ts, a.id)"]
      tests.append("NOT EXISTS (SELECT FROM events e WHERE \(joined(all)))")
    }
    if let unless = trigger.unless {
      let all =
        [
          "e.user_id = u.id", "e.name = \(unless.event)", "(e.ts, e.id) > (a.ts, a.id)",
          "e.ts <= a.ts + make_interval(secs => \(Double(unless.within.seconds)))",
        ] + SegmentCompiler.event(unless.filters, now: now, projectZone: projectZone)
        + (unless.same.map { ["e.properties -> \($0) = a.properties -> \($0)"] } ?? [])
      tests.append("NOT EXISTS (SELECT FROM events e WHERE \(joined(all)))")
    }
    let statement: SQL = """
      SELECT count(*) FILTER (WHERE a.ts > \(now.addingTimeInterval(-7 * 86_400))) AS week,
        count(*) AS month
      FROM (SELECT e.user_id, e.ts, e.id, e.properties
        FROM events e JOIN users u ON u.id = e.user_id
        WHERE u.erased_at IS NULL AND e.ts > \(month) AND e.ts <= \(now) AND \(joined(matching))
      ) AS a JOIN users u ON u.id = a.user_id
      WHERE \(joined(tests))
      """
    let row = try tx.one(statement.unprepared())
    return Count(week: try row?.get("week") ?? 0, month: try row?.get("month") ?? 0)
  }

  /// Some who did what lets people enter last, with its properties: as a message would show it.
  static func latest(
    _ trigger: EventTrigger, fits: SQL, projectZone: String, now: Date, in tx: Transaction
  ) throws -> [UUID: JSONObject] {
    let filters = SegmentCompiler.event(trigger.filters, now: now, projectZone: projectZone)
    // By events_name_ts_idx, and no further back than it takes.
    let statement: SQL = """
      SELECT DISTINCT ON (e.user_id) e.user_id, e.properties FROM (
        SELECT e.user_id, e.ts, e.properties FROM events e JOIN users u ON u.id = e.user_id
        WHERE \(joined(["e.name = \(trigger.event)", "u.erased_at IS NULL"] + filters))
          AND e.ts > \(now.addingTimeInterval(-30 * 86_400)) AND e.ts <= \(now) AND \(fits)
        ORDER BY e.ts DESC LIMIT \(sampled)) AS e
      ORDER BY e.user_id, e.ts DESC
      """
    var found: [UUID: JSONObject] = [:]
    for row in try tx.query(statement.unprepared()) {
      found[try row.get("user_id")] = try row.optionalJSON("properties")?.objectValue ?? [:]
    }
    return found
  }

  private static let sampled = 5

  private static func joined(_ tests: [SQL]) -> SQL {
    SQL.joined(tests.map { "(\($0))" }, separator: " AND ")
  }
}
