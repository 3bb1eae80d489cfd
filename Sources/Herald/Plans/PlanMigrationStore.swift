import Foundation
import JSON
import Postgres

enum PlanMigrationStore {
  /// Everybody whose queue row may be moved now: their enrolment, the delivery or visit they are at,
  /// and the row. Rows are due at once: a wait may be shorter in the other version. How many.
  static func move(
    _ plan: String, _ versions: PlanMigration.Versions, always: [String], beforeSending: [String],
    now: Date, in tx: Transaction
  ) throws -> Int {
    try tx.one(
      SQL(
        """
        WITH picked AS MATERIALIZED (
          SELECT q.lane, q.delivery_id FROM queue q
          WHERE \(inside(plan, versions.from)) AND NOT \(busy)
            AND \(movable(always, beforeSending))
          ORDER BY q.lane, q.delivery_id FOR UPDATE OF q SKIP LOCKED
        ), rows AS (
          UPDATE queue q SET plan_version = \(versions.to)::integer,
            due_at = CASE WHEN q.phase = 'step' THEN least(q.due_at, \(now)) ELSE q.due_at END
          FROM picked p WHERE q.lane = p.lane AND q.delivery_id = p.delivery_id
          RETURNING q.user_id, q.run_id, q.entry_key, q.step_id, q.occurrence, q.entered_at,
            q.phase
        ), people AS (
          UPDATE enrolments e SET plan_version = \(versions.to)::integer,
            "values" = coalesce(e."values", '{}') || \(JSONB(["migrated": note(versions, now)]))
          FROM rows r
          WHERE e.user_id = r.user_id AND e.run_id = r.run_id AND e.entry_key = r.entry_key
        ), sends AS (
          UPDATE deliveries d SET plan_version = \(versions.to)::integer FROM rows r
          WHERE d.user_id = r.user_id AND d.run_id = r.run_id AND d.entry_key = r.entry_key
            AND d.step_id = r.step_id AND d.occurrence = r.occurrence
            AND d.entered_at = r.entered_at
        ), visits AS (
          UPDATE step_visits v SET plan_version = \(versions.to)::integer FROM rows r
          WHERE v.user_id = r.user_id AND v.run_id = r.run_id AND v.entry_key = r.entry_key
            AND v.step_id = r.step_id AND v.occurrence = r.occurrence
            AND v.entered_at = r.entered_at
        )
        SELECT count(*) AS n FROM rows
        """
      ).unprepared())?.get("n") ?? 0
  }

  /// For `explain`.
  private static func note(_ versions: PlanMigration.Versions, _ now: Date) -> JSONValue {
    ["from": .int(versions.from), "to": .int(versions.to), "at": .instant(now)]
  }

  /// Who is inside the version still.
  static func left(
    _ plan: String, _ version: Int, always: [String], beforeSending: [String], in tx: Transaction
  ) throws -> (stayed: [String: Int], busy: Int) {
    let rows = try tx.query(
      SQL(
        """
        SELECT q.step_id, \(movable(always, beforeSending)) AS busy, count(*) AS n FROM queue q
        WHERE \(inside(plan, version)) GROUP BY 1, 2
        """
      ).unprepared())
    var stayed: [String: Int] = [:]
    var busy = 0
    for row in rows {
      let n: Int = try row.get("n")
      if try row.get("busy") { busy += n } else { stayed[try row.get("step_id"), default: 0] += n }
    }
    return (stayed, busy)
  }

  /// By queue_run_idx.
  private static func inside(_ plan: String, _ version: Int) -> SQL {
    """
    q.run_id IN (SELECT id FROM runs WHERE plan = \(plan) AND state <> 'cancelled')
    AND q.plan_version = \(version)::integer
    """
  }

  /// Held by a worker, or handed over with an end nobody knows.
  private static let busy: SQL =
    "(q.handed_over_at IS NOT NULL OR coalesce(q.leased_until > clock_timestamp(), false))"

  private static func movable(_ always: [String], _ beforeSending: [String]) -> SQL {
    """
    (q.step_id = ANY(\(always)) OR (q.step_id = ANY(\(beforeSending)) AND q.phase <> 'follow_up'
      AND q.link = 0 AND q.tries = 0 AND q.content IS NULL))
    """
  }
}
