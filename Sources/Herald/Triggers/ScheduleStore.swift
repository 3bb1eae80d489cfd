import Foundation
import Postgres

/// When Herald next has to look at live plans that people may enter again and again.
enum ScheduleStore {
  /// `from`: what comes later than this counts.
  static func insert(
    _ plan: String, _ version: Int, from: Date, dueAt: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO plan_schedules (plan, plan_version, looked_at, due_at)
      VALUES (\(plan), \(version)::integer, \(from), \(dueAt))
      ON CONFLICT (plan, plan_version) DO NOTHING
      """)
  }

  /// A later version takes over: what comes later than this is not the version's any more.
  static func close(_ plan: String, _ version: Int, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE plan_schedules SET closed_at = \(now), due_at = \(now)
      WHERE plan = \(plan) AND plan_version = \(version)::integer
      """)
  }

  /// Up to when occurrences are an earlier version's; nil when there was none.
  static func takenUntil(_ plan: String, before version: Int, in tx: Transaction) throws -> Date? {
    try tx.one(
      """
      SELECT max(coalesce(closed_at, looked_at)) AS until FROM plan_schedules
      WHERE plan = \(plan) AND plan_version < \(version)::integer
      """)?.get("until")
  }

  /// Versions that are to be looked at, live ones and those closed since; not those that are paused,
  /// nor any when the plan was cancelled.
  static func due(now: Date, in db: any Queryable) throws -> [PlanVersionName] {
    try db.query(
      """
      SELECT s.plan, s.plan_version FROM plan_schedules s
      JOIN plans p ON p.key = s.plan
      JOIN plan_versions v ON v.plan = s.plan AND v.version = s.plan_version
      WHERE s.due_at <= \(now) AND NOT p.paused
        AND (v.state = 'live' OR s.closed_at IS NOT NULL AND v.state = 'superseded'
          AND NOT EXISTS (SELECT FROM plan_versions c WHERE c.plan = p.key
            AND c.version = p.live_version AND c.state = 'cancelled'))
      ORDER BY s.due_at, s.plan LIMIT 100
      """
    ).map { PlanVersionName(plan: try $0.get("plan"), version: try $0.get("plan_version")) }
  }

  /// Up to when a version was looked at and when it was closed, if it is due still; the plan must be
  /// locked.
  static func look(
    _ name: PlanVersionName, now: Date, in tx: Transaction
  ) throws -> (from: Date, closedAt: Date?)? {
    try tx.one(
      """
      SELECT looked_at, closed_at FROM plan_schedules
      WHERE plan = \(name.plan) AND plan_version = \(name.version)::integer AND due_at <= \(now)
      """
    ).map { (try $0.get("looked_at"), try $0.get("closed_at")) }
  }

  static func save(
    _ name: PlanVersionName, lookedAt: Date, dueAt: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE plan_schedules SET looked_at = \(lookedAt), due_at = \(dueAt)
      WHERE plan = \(name.plan) AND plan_version = \(name.version)::integer
      """)
  }

  /// A run is over: the plan may be as well.
  static func hasten(_ plan: String, _ version: Int, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE plan_schedules SET due_at = least(due_at, \(now))
      WHERE plan = \(plan) AND plan_version = \(version)::integer AND closed_at IS NULL
      """)
  }

  /// Nothing comes any more. The row is kept: a version that opens later must not take what this one
  /// had.
  static func end(_ name: PlanVersionName, at instant: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE plan_schedules SET looked_at = \(instant), closed_at = \(instant), due_at = 'infinity'
      WHERE plan = \(name.plan) AND plan_version = \(name.version)::integer
      """)
  }

  /// Closes the runs of days: nobody enters them any more. True when no run is open.
  static func closeRuns(_ name: PlanVersionName, now: Date, in tx: Transaction) throws -> Bool {
    try tx.execute(
      """
      UPDATE runs SET open_until = \(now)
      WHERE plan = \(name.plan) AND plan_version = \(name.version)::integer
        AND state = 'running' AND open_until > \(now)
      """)
    return try tx.one(
      """
      SELECT 1 FROM runs WHERE plan = \(name.plan) AND plan_version = \(name.version)::integer
        AND state IN ('entering', 'running') LIMIT 1
      """) == nil
  }

  /// Records an occurrence that nobody could carry out in time.
  static func insertMissed(
    _ id: UUID, _ name: PlanVersionName, occurrence: String, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO runs (id, plan, plan_version, occurrence, state, state_reason, entered_lanes,
        started_at, finished_at)
      VALUES (\(id), \(name.plan), \(name.version)::integer, \(occurrence), 'completed', 'missed',
        -1, \(now), \(now))
      ON CONFLICT (plan, plan_version, occurrence) DO NOTHING
      """)
  }
}
