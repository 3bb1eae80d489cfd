import Foundation
import Postgres

/// Takes failed deliveries up again.
enum RetryStore {
  /// The steps of a plan's versions: what follows each, and how urgent the plan is.
  struct Flow: Sendable {
    let version: Int
    let step: String
    let next: String?
    let priority: Int
  }

  /// Sets failed deliveries back to `pending` with a queue row at link 0, makes their people active
  /// and their runs running again. Taken are those of runs and versions that are not cancelled, whose
  /// person did not leave the plan and has no delivery of the following step.
  ///
  /// The delivery keeps its id, and so the idempotency key of each link. Earlier attempts stay; their
  /// numbers become negative, so that those to come begin at 1 again. The plan must be locked, so
  /// that of two retries the second finds nothing to do.
  static func retry(
    _ plan: String, step: String?, _ flow: [Flow], scope: ReportScope, now: Date,
    in tx: Transaction
  ) throws -> Int {
    let row = try tx.one(
      SQL(
        """
        WITH picked AS MATERIALIZED (
          SELECT d.user_id, d.run_id, d.step_id, d.occurrence, d.entered_at, d.entry_key, d.id,
            d.plan, d.plan_version, f.priority
          FROM deliveries d
          JOIN runs r ON r.id = d.run_id AND r.plan = \(plan) AND r.state <> 'cancelled'
          JOIN plan_versions v ON v.plan = d.plan AND v.version = d.plan_version
            AND v.state <> 'cancelled'
          JOIN unnest(\(flow.map(\.version)), \(flow.map(\.step)), \(flow.map(\.next)),
            \(flow.map(\.priority))) AS f (version, step, next, priority)
            ON f.version = d.plan_version AND f.step = d.step_id
          JOIN enrolments e ON e.user_id = d.user_id AND e.run_id = d.run_id
            AND e.entry_key = d.entry_key AND e.state IN ('active', 'finished')
          WHERE d.status = 'failed' AND (\(step)::text IS NULL OR d.step_id = \(step))
            AND \(scope.admits("d"))
            AND (f.next IS NULL OR NOT EXISTS (SELECT FROM deliveries l
              WHERE l.user_id = d.user_id AND l.run_id = d.run_id
                AND l.entry_key = d.entry_key AND l.step_id = f.next
                AND l.entered_at = d.entered_at) AND NOT EXISTS (SELECT FROM step_visits l
              WHERE l.user_id = d.user_id AND l.run_id = d.run_id
                AND l.entry_key = d.entry_key AND l.step_id = f.next
                AND l.entered_at = d.entered_at))
          ORDER BY d.user_id, d.id FOR UPDATE OF d, e
        ), queued AS (
          INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, entry_key,
            step_id, occurrence, entered_at, plan, plan_version, step_entered_at)
          SELECT herald_lane(user_id), id, \(now), priority, user_id, run_id, entry_key, step_id,
            occurrence, entered_at, plan, plan_version, \(now)
          FROM picked
        ), reopened AS (
          UPDATE deliveries d SET status = 'pending', reason = NULL, gate = NULL, "values" = NULL,
            provider_id = NULL, settled_at = NULL
          FROM picked p
          WHERE d.user_id = p.user_id AND d.run_id = p.run_id
            AND d.entry_key = p.entry_key AND d.step_id = p.step_id AND d.occurrence = p.occurrence AND d.entered_at = p.entered_at
        ), tried AS (
          SELECT a.user_id, a.delivery_id, max(a.try) AS top, least(min(a.try), 0) AS bottom
          FROM attempts a JOIN picked p ON p.user_id = a.user_id AND p.id = a.delivery_id
          GROUP BY a.user_id, a.delivery_id
        ), renumbered AS (
          UPDATE attempts a SET try = a.try - t.top - 1 + t.bottom
          FROM tried t
          WHERE a.user_id = t.user_id AND a.delivery_id = t.delivery_id AND a.try >= 0
        ), active AS (
          UPDATE enrolments e SET state = 'active', reason = NULL, finished_at = NULL
          FROM picked p
          WHERE e.user_id = p.user_id AND e.run_id = p.run_id AND e.entry_key = p.entry_key
            AND e.state = 'finished'
        ), running AS (
          UPDATE runs SET state = 'running', finished_at = NULL
          WHERE id IN (SELECT run_id FROM picked) AND state = 'completed'
        )
        SELECT count(*) AS n FROM picked
        """
      ).unprepared())
    return try row?.get("n") ?? 0
  }

  /// Failed deliveries that a retry just made has left, by why.
  static func left(
    _ plan: String, step: String?, scope: ReportScope, in tx: Transaction
  ) throws -> [String: Int] {
    let rows = try tx.query(
      SQL(
        """
        SELECT CASE WHEN r.state = 'cancelled' OR v.state = 'cancelled' THEN 'cancelled'
            WHEN e.state = 'exited' THEN 'exited' ELSE 'went_on' END AS code, count(*) AS n
        FROM deliveries d JOIN runs r ON r.id = d.run_id AND r.plan = \(plan)
        JOIN plan_versions v ON v.plan = d.plan AND v.version = d.plan_version
        LEFT JOIN enrolments e ON e.user_id = d.user_id AND e.run_id = d.run_id
          AND e.entry_key = d.entry_key
        WHERE d.status = 'failed' AND (\(step)::text IS NULL OR d.step_id = \(step))
          AND \(scope.admits("d"))
        GROUP BY 1
        """
      ).unprepared())
    var counts: [String: Int] = [:]
    for row in rows { counts[try row.get("code")] = try row.get("n") }
    return counts
  }
}
