import Foundation
import JSON
import Postgres

/// Runs and their frozen audiences.
enum RunStore {
  /// Whether a launch is due or a run active.
  static func hasWork(now: Date, in db: any Queryable) throws -> Bool {
    try db.one(
      """
      SELECT 1 WHERE EXISTS (
        SELECT FROM plan_versions v JOIN plans p ON p.key = v.plan
        WHERE v.launch_at <= \(now) AND v.state = 'approved' AND NOT p.paused)
      OR EXISTS (SELECT FROM plan_schedules WHERE due_at <= \(now))
      OR EXISTS (SELECT FROM scenes WHERE matched_at IS NULL)
      OR EXISTS (
        SELECT FROM runs
        WHERE state IN ('entering', 'running') OR (state = 'cancelled' AND entered_lanes <> -1))
      """) != nil
  }

  /// Versions whose launch is due, oldest first.
  static func dueLaunches(now: Date, in db: any Queryable) throws -> [(plan: String, version: Int)]
  {
    try db.query(
      """
      SELECT v.plan, v.version FROM plan_versions v JOIN plans p ON p.key = v.plan
      WHERE v.launch_at <= \(now) AND v.state = 'approved' AND NOT p.paused
      ORDER BY v.launch_at LIMIT 100
      """
    ).map { (try $0.get("plan"), try $0.get("version")) }
  }

  /// Nil when the occurrence has its run already.
  static func insert(
    _ id: UUID, plan: String, version: Int, occurrence: String, values: JSONValue? = nil,
    now: Date, in tx: Transaction
  ) throws -> Run? {
    try tx.one(
      """
      INSERT INTO runs (id, plan, plan_version, occurrence, entry_values, state, started_at,
        restored)
      SELECT \(id), v.plan, v.version, \(occurrence), \(values.map { JSONB($0) }), 'entering',
        \(now),
        -- Launched after a restoration although due before it: it may have been launched already.
        coalesce(v.launch_at <= m.restored_at, false)
      FROM plan_versions v LEFT JOIN handover_mark m ON true
      WHERE v.plan = \(plan) AND v.version = \(version)::integer
      ON CONFLICT (plan, plan_version, occurrence) DO NOTHING
      RETURNING \(columns)
      """
    ).map(Run.init)
  }

  /// Freezes the audience: everybody for whom `predicate` (over `users u`) holds now. How many.
  static func freeze(_ run: UUID, _ predicate: SQL, in tx: Transaction) throws -> Int {
    try tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    let targeted = try tx.execute(
      SQL(
        """
        INSERT INTO run_targets (run_id, lane, user_id)
        SELECT \(run), herald_lane(u.id), u.id FROM users u
        WHERE u.erased_at IS NULL AND \(predicate)
        """
      ).unprepared())
    // Lanes without anybody are decided already.
    try tx.execute(
      """
      UPDATE runs SET targeted = \(targeted), entered_lanes = lanes.empty,
        state = CASE WHEN lanes.empty = -1 THEN 'running' ELSE state END
      FROM (SELECT ~coalesce(bit_or(1::bigint << lane), 0) AS empty
        FROM (SELECT DISTINCT lane FROM run_targets WHERE run_id = \(run)) AS used) AS lanes
      WHERE id = \(run)
      """)
    return targeted
  }

  /// Takes back a run that was refused before anybody entered.
  static func discard(_ run: UUID, in tx: Transaction) throws {
    try tx.execute("DELETE FROM run_targets WHERE run_id = \(run)")
    try tx.execute("DELETE FROM runs WHERE id = \(run)")
  }

  static func list(
    plan: String, limit: Int = 100, in db: any Queryable
  ) throws -> [Run] {
    try db.query(
      """
      SELECT \(columns) FROM runs WHERE plan = \(plan) ORDER BY started_at DESC
      LIMIT \(limit)
      """
    ).map(Run.init)
  }

  /// Runs that have people to decide on, those cancelled meanwhile among them, and runs that may be
  /// over.
  static func active(now: Date, in db: any Queryable) throws -> [Run] {
    try db.query(
      """
      SELECT \(columns) FROM runs
      WHERE state = 'entering' OR (state = 'cancelled' AND entered_lanes <> -1)
        OR (state = 'running' AND coalesce(open_until <= \(now), true)
          AND NOT EXISTS (SELECT FROM queue q WHERE q.run_id = runs.id))
      ORDER BY started_at
      """
    ).map(Run.init)
  }

  static func load(_ id: UUID, locked: Bool = false, in db: any Queryable) throws -> Run {
    let lock: SQL = locked ? "FOR NO KEY UPDATE" : ""
    guard let row = try db.one("SELECT \(columns) FROM runs WHERE id = \(id) \(lock)") else {
      throw HeraldError.notFound("run", id.text)
    }
    return try Run(row)
  }

  /// Notes that the people of some lanes are all decided; the last ones make the run `running`.
  static func markEntered(_ run: UUID, lanes: [Int], in tx: Transaction) throws {
    let mask = lanes.reduce(0) { $0 | 1 << $1 }
    try tx.execute(
      """
      UPDATE runs SET entered_lanes = entered_lanes | \(mask),
        state = CASE WHEN state = 'entering'
          AND entered_lanes | \(mask) = -1 THEN 'running' ELSE state END
      WHERE id = \(run)
      """)
  }

  /// Completes running runs with nothing left to do; the plans' versions whose last run that was.
  static func complete(
    _ run: Run, now: Date, in tx: Transaction
  ) throws -> Bool {
    // A queue row exists for as long as an enrolment is active; the enrolments are the judge.
    try tx.execute(
      """
      UPDATE runs SET state = 'completed', finished_at = \(now)
      WHERE id = \(run.id) AND state = 'running' AND coalesce(open_until <= \(now), true)
        AND NOT EXISTS (SELECT FROM queue WHERE run_id = \(run.id))
        AND NOT EXISTS (SELECT FROM enrolments WHERE run_id = \(run.id) AND state = 'active')
      """) == 1
  }

  /// Ends the open runs of a plan. Their queue rows are settled as `cancelled` when claimed.
  static func cancel(plan: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE runs SET state = 'cancelled', finished_at = \(now)
      WHERE plan = \(plan) AND state IN ('entering', 'running')
      """)
  }

  static let columns: SQL = """
    id, plan, plan_version, occurrence, state, targeted, entered_lanes, started_at, finished_at,
    state_reason
    """
}

extension Run {
  init(_ row: Row) throws {
    id = try row.get("id")
    plan = try row.get("plan")
    planVersion = try row.get("plan_version")
    occurrence = try row.get("occurrence")
    state = State(rawValue: try row.get("state")) ?? .cancelled
    targeted = try row.get("targeted")
    enteredLanes = try row.get("entered_lanes")
    startedAt = try row.get("started_at")
    finishedAt = try row.get("finished_at")
    reason = try row.get("state_reason")
  }
}
