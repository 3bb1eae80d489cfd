import Foundation
import JSON
import Postgres

/// Entry: one decision per person of a run, made set by set, lane by lane.
enum EnrolmentStore {
  /// What decides entry, as the same for everybody of a run.
  struct Entry {
    let run: Run
    let firstStep: PlanDocument.Successor
    let priority: Int
    /// Over `users u`; nil when the plan has no audience condition.
    let audience: SQL?
    let draw: EntryDraw
    /// How long those who wait for the winner of a race wait at least; nil when the first step races
    /// not.
    let race: TimeInterval?
    /// Why nobody enters at all (`outside_window`, `cancelled`), when that is so.
    let closed: String?
  }

  /// Decides on everybody of some lanes who is undecided. Enrolments, first deliveries and queue
  /// rows appear together or not at all. With more than one lane the run must be locked.
  static func enter(_ entry: Entry, lanes: [Int], now: Date, in tx: Transaction) throws {
    let run = entry.run
    let first = entry.firstStep
    // Who gets the winner has nothing to do before there can be one.
    let begin = now.addingTimeInterval(entry.race ?? 0)
    // Looked up in a hash, never joined: the audience of a new run is in no statistics, and a planner
    // that expects one person compares each of a lane with each.
    let isEntered: SQL = """
      (d.user_id IN (SELECT user_id FROM entered WHERE state = 'active')) IS TRUE
      """
    let opened: SQL =
      first.kind.delivers
      ? """
      INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
        possibly_duplicate, created_at)
      SELECT d.user_id, \(run.id), \(first.id), \(now), d.delivery_id, \(run.plan),
        \(run.planVersion)::integer, (SELECT restored FROM runs WHERE id = \(run.id)), \(now)
      FROM assigned d WHERE \(isEntered)
      """
      : """
      INSERT INTO step_visits (user_id, run_id, step_id, entered_at, plan, plan_version, kind,
        arrived_at)
      SELECT user_id, \(run.id), \(first.id), \(now), \(run.plan), \(run.planVersion)::integer,
        \(first.kind.rawValue), \(now)
      FROM entered WHERE state = 'active'
      """
    try tx.query(
      """
      SELECT pg_advisory_xact_lock(hashtext('herald_lane'), lane::integer)
      FROM unnest(\(lanes.sorted())) AS lane
      """)
    try tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    try tx.execute(
      SQL(
        """
        WITH looked AS (
          SELECT t.user_id, coalesce(u.id, t.user_id) AS person,
            u.id IS NOT NULL AND u.erased_at IS NULL AS known,
            coalesce(\(entry.audience ?? "true"), false) AS fits,
            -- Merged since the audience was frozen, into somebody who is in it too.
            a.user_id IS NOT NULL AND EXISTS (SELECT FROM run_targets s WHERE s.run_id = t.run_id
              AND s.lane = herald_lane(a.user_id) AND s.user_id = a.user_id) AS twin
          -- Lane by lane, or the planner reads the whole run for each and keeps the lane's.
          FROM unnest(\(lanes)::smallint[]) AS wanted (lane) CROSS JOIN LATERAL (
            SELECT * FROM run_targets WHERE run_id = \(run.id) AND lane = wanted.lane OFFSET 0) AS t
          LEFT JOIN user_aliases a ON a.alias_id = t.user_id
          LEFT JOIN users u ON u.id = coalesce(a.user_id, t.user_id)
        ), drawn AS MATERIALIZED (
          SELECT user_id, person, gen_random_uuid() AS delivery_id,
            CASE WHEN \(entry.closed)::text IS NOT NULL THEN \(entry.closed)
              WHEN NOT known THEN 'erased' WHEN twin THEN 'merged'
              WHEN NOT fits THEN 'not_in_audience' END AS refusal,
            \(entry.draw.columns(of: "person"))
          FROM looked
        ), decided AS (
          SELECT *, CASE WHEN refusal IS NULL THEN \(entry.draw.holdout.verdict) END AS held FROM drawn
        ), assigned AS (
          SELECT *, CASE WHEN refusal IS NULL AND held IS NULL THEN \(entry.draw.arm) END AS arm
          FROM decided
        ), entered AS (
          INSERT INTO enrolments (user_id, run_id, entered_at, plan, plan_version, state, reason,
            holdout_bucket, arm, "values", finished_at)
          SELECT user_id, \(run.id), \(now), \(run.plan), \(run.planVersion)::integer,
            CASE WHEN refusal IS NOT NULL THEN 'skipped'
              WHEN held IS NOT NULL THEN 'held_out' ELSE 'active' END,
            coalesce(refusal, CASE held WHEN 'global' THEN \(Holdout.globalReason) END), bucket, arm,
            CASE WHEN held IS NULL THEN brought.vals
              ELSE coalesce(brought.vals, '{}') || \(entry.draw.holdout.values) END,
            CASE WHEN refusal IS NOT NULL OR held IS NOT NULL THEN \(now)::timestamptz END
          FROM assigned
          CROSS JOIN (SELECT entry_values AS vals FROM runs WHERE id = \(run.id)) AS brought
          ON CONFLICT (user_id, run_id, entry_key) DO NOTHING
          RETURNING user_id, state
        ), kept AS (
          INSERT INTO arms (user_id, scope, arm, bucket, assigned_at)
          SELECT k.*, \(now) FROM (\(entry.draw.kept(from: "assigned"))) AS k ORDER BY 2, 1
          ON CONFLICT (user_id, scope) DO NOTHING
        ), opened AS (
          \(opened)
        )
        INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, step_id,
          entered_at, plan, plan_version, phase, step_entered_at)
        SELECT herald_lane(d.user_id), d.delivery_id,
          CASE WHEN d.arm = \(Experiment.winner) THEN \(begin) ELSE \(now) END,
          \(entry.priority)::smallint, d.user_id, \(run.id), \(first.id), \(now), \(run.plan),
          \(run.planVersion)::integer,
          CASE WHEN \(entry.race != nil) AND d.arm = \(Experiment.winner) THEN 'race'
            ELSE \(first.kind.delivers ? "send" : "step") END, \(now)
        FROM assigned d WHERE \(isEntered)
        """
      ).unprepared())
    try RunStore.markEntered(run.id, lanes: lanes, in: tx)
  }

  /// How many of a frozen audience would enter now.
  static func entrants(
    _ run: UUID, audience: SQL?, holdout: Holdout, in tx: Transaction
  ) throws -> Int {
    let row = try tx.one(
      SQL(
        """
        SELECT count(*) AS n FROM run_targets t
        LEFT JOIN user_aliases a ON a.alias_id = t.user_id
        JOIN users u ON u.id = coalesce(a.user_id, t.user_id)
        WHERE t.run_id = \(run) AND u.erased_at IS NULL AND (\(audience ?? "true"))
          AND NOT \(holdout.holds("u.id"))
        """
      ).unprepared())
    return try row?.get("n") ?? 0
  }

  /// People whose way is over, with where it ended.
  struct Ending {
    let enrolment: EnrolmentName
    let state: String
    let reason: String?
    /// What was seen of why they leave; kept as `exit` of the enrolment's values.
    var values: JSONValue?
  }

  static func end(_ endings: [Ending], now: Date, in tx: Transaction) throws {
    guard !endings.isEmpty else { return }
    // The form of the run's comparison keeps enrolments_run_idx out: before the table is analysed,
    // the planner would take it for as selective as the primary key. The state is compared with the
    // array's so that nobody expects few to be active.
    try tx.execute(
      """
      UPDATE enrolments e SET state = n.state, reason = n.reason, finished_at = \(now),
        "values" = CASE WHEN n."values" IS NULL THEN e."values"
          ELSE coalesce(e."values", '{}') || jsonb_build_object('exit', n."values") END
      FROM unnest(\(endings.map(\.enrolment.user)), \(endings.map(\.enrolment.run)),
        \(endings.map(\.enrolment.entryKey)), \(endings.map(\.state)), \(endings.map(\.reason)),
        \(endings.map { _ in "active" }), \(endings.map { $0.values.map { JSONB($0) } }))
        AS n (user_id, run_id, entry_key, state, reason, from_state, "values")
      WHERE e.user_id = n.user_id AND e.run_id IS NOT DISTINCT FROM n.run_id
        AND e.entry_key = n.entry_key AND e.state = n.from_state
      """)
  }
}
