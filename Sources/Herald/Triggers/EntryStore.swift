import Foundation
import JSON
import Postgres

/// One who asks to enter a plan, because of an event or a call.
struct Entrant: Sendable {
  let user: UUID
  /// Tells entries of one person into one run apart.
  let entryKey: String
  /// The instant of what made the person enter; waits count from it.
  let since: Date
  /// When the first step may begin, or might have: its `not_after` counts from then.
  let dueAt: Date
  /// `{"event": {"name", "id", "at", "properties"}}`, kept with the enrolment.
  let values: JSONValue
  /// The value by which re-entries are counted apart.
  var key: JSONValue?
}

/// Entry of people one by one, decided for a batch at once. Everything by keys that begin with the
/// user; ids of people who were merged count as one person.
enum EntryStore {
  /// What decides entry, the same for everybody of a plan's version.
  struct Rule {
    let plan: String
    let version: Int
    let run: UUID
    let firstStep: String
    /// The first step hands something over, so that no look at it is needed before.
    let firstIsSend: Bool
    let priority: Int
    /// Over `users u`.
    let audience: SQL
    /// Over `users u`: whether the event is the person's first. Others leave no trace.
    let isFirst: SQL
    let draw: EntryDraw
    let reentry: Reentry?
    /// `limits.audience` and how many may enter still; nil without a limit.
    let limit: (people: Int, room: Int)?
    let projectZone: String
    /// Names of events that end the wait before the first step.
    let awaits: [String]
  }

  struct Outcome: Sendable {
    let user: UUID
    let entryKey: String
    let state: String
    let reason: String?
  }

  /// Makes others who enter these people wait for the end of the transaction: re-entries and first
  /// events are counted one after the other.
  static func lock(_ users: [UUID], in tx: Transaction) throws {
    guard !users.isEmpty else { return }
    // 256 locks for everybody, taken in one order: a lock per person could fill the lock table.
    try tx.execute(
      """
      SELECT pg_advisory_xact_lock(hashtext('herald_entry'), stripe) FROM (
        SELECT DISTINCT get_byte(uuid_send(id), 14) AS stripe FROM unnest(\(users)) AS id
        ORDER BY 1) AS stripes
      """)
  }

  /// The run of a plan's day, made by whoever comes first; nil when it was cancelled.
  static func run(
    plan: String, version: Int, occurrence: String, openUntil: Date, id: UUID, now: Date,
    in tx: Transaction
  ) throws -> UUID? {
    func find() throws -> (id: UUID, state: String)? {
      try tx.one(
        """
        SELECT id, state FROM runs WHERE plan = \(plan) AND plan_version = \(version)::integer
          AND occurrence = \(occurrence)
        """
      ).map { (try $0.get("id"), try $0.get("state")) }
    }
    var found = try find()
    if found == nil {
      try tx.execute(
        """
        INSERT INTO runs (id, plan, plan_version, occurrence, state, entered_lanes, started_at,
          open_until)
        VALUES (\(id), \(plan), \(version)::integer, \(occurrence), 'running', -1, \(now),
          \(openUntil))
        ON CONFLICT (plan, plan_version, occurrence) DO NOTHING
        """)
      found = try find()
    }
    guard let found, found.state != "cancelled" else { return nil }
    if found.state == "completed" {
      try tx.execute(
        "UPDATE runs SET state = 'running', finished_at = NULL WHERE id = \(found.id)")
    }
    return found.id
  }

  /// Decides on everybody, in their order. Enrolments, timers, first deliveries and queue rows appear
  /// together or not at all; an entry that is there already is left alone. For a handful of people:
  /// `Transaction.lookUpByKey` is to be called before.
  static func enter(
    _ entrants: [Entrant], _ rule: Rule, now: Date, in tx: Transaction
  ) throws -> [Outcome] {
    guard !entrants.isEmpty else { return [] }
    return try tx.query(statement(entrants, rule, now: now)).map { row in
      Outcome(
        user: try row.get("user_id"), entryKey: try row.get("entry_key"),
        state: try row.get("state"), reason: try row.get("reason"))
    }
  }

  private static func statement(_ entrants: [Entrant], _ rule: Rule, now: Date) -> SQL {
    """
    WITH asked AS (
      SELECT * FROM unnest(\(entrants.map(\.user)), \(entrants.map(\.entryKey)),
        \(entrants.map(\.since)), \(entrants.map(\.dueAt)),
        \(entrants.map { JSONB($0.values) }), \(entrants.map { $0.key.map { JSONB($0) } }))
        WITH ORDINALITY AS a (user_id, entry_key, since, due_at, vals, key, n)
    ), looked AS MATERIALIZED (
      SELECT a.*, a.user_id AS person, u.id IS NOT NULL AND u.erased_at IS NULL AS known,
        coalesce(\(rule.audience), false) AS fits, \(rule.draw.columns(of: "a.user_id")),
        \(used(rule, now: now)) AS used
      FROM asked a LEFT JOIN users u ON u.id = a.user_id
      WHERE u.id IS NULL OR \(rule.isFirst)
    ), counted AS (
      SELECT *, \(rule.draw.holdout.verdict) AS held, used + CASE WHEN known AND fits THEN count(*) FILTER (WHERE known AND fits)
        OVER (PARTITION BY user_id, key ORDER BY n) ELSE 0 END AS nth
      FROM looked
    ), judged AS (
      SELECT *, CASE WHEN held IS NULL THEN \(rule.draw.arm) END AS arm,
        CASE WHEN NOT known THEN 'erased' WHEN NOT fits THEN 'not_in_audience'
          WHEN held IS NOT NULL THEN NULL
          WHEN nth > \(rule.reentry?.limit ?? .max) THEN 'reentry_limit' END AS refused
      FROM counted
    ), placed AS (
      SELECT *, \(place(rule)) AS place FROM judged
    ), decided AS (
      SELECT *, gen_random_uuid() AS id, \(refusal(rule)) AS refusal FROM placed
    ), entered AS (
      INSERT INTO enrolments (user_id, run_id, entry_key, entered_at, since, plan, plan_version,
        state, reason, holdout_bucket, arm, "values", finished_at)
      SELECT user_id, \(rule.run), entry_key, \(now), since, \(rule.plan),
        \(rule.version)::integer,
        CASE WHEN refusal IS NOT NULL THEN 'skipped'
          WHEN held IS NOT NULL THEN 'held_out' ELSE 'active' END,
        coalesce(refusal, CASE held WHEN 'global' THEN \(Holdout.globalReason) END), bucket,
        CASE WHEN refusal IS NULL THEN arm END,
        CASE WHEN refusal = 'reentry_limit'
          THEN vals || jsonb_build_object('limit', \(rule.reentry?.limit ?? 0), 'nth', nth)
          WHEN refusal = 'audience_limit'
          THEN vals || jsonb_build_object('limit', \(rule.limit?.people ?? 0))
          WHEN refusal IS NULL AND held IS NOT NULL THEN vals || \(rule.draw.holdout.values)
          ELSE vals END,
        CASE WHEN refusal IS NOT NULL OR held IS NOT NULL THEN \(now)::timestamptz END
      FROM decided
      ON CONFLICT (user_id, run_id, entry_key) DO NOTHING
      RETURNING user_id, entry_key, state, reason
    ), kept AS (
      INSERT INTO arms (user_id, scope, arm, bucket, assigned_at)
      SELECT DISTINCT ON (2, 1) k.*, \(now)::timestamptz
      FROM (\(rule.draw.kept(from: "decided"))) AS k ORDER BY 2, 1
      ON CONFLICT (user_id, scope) DO NOTHING
    ), begun AS (
      SELECT d.*, \(rule.firstIsSend) AND d.due_at <= \(now) AS is_direct
      FROM decided d JOIN entered e USING (user_id, entry_key) WHERE e.state = 'active'
    ), opened AS (
      INSERT INTO deliveries (user_id, run_id, entry_key, step_id, entered_at, id, plan,
        plan_version, created_at)
      SELECT user_id, \(rule.run), entry_key, \(rule.firstStep), \(now), id, \(rule.plan),
        \(rule.version)::integer, \(now)
      FROM begun WHERE is_direct
    ), queued AS (
      INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, entry_key, step_id,
        entered_at, plan, plan_version, step_entered_at, phase, awaits)
      SELECT herald_lane(user_id), id, greatest(due_at, \(now)), \(rule.priority)::smallint,
        user_id, \(rule.run), entry_key, \(rule.firstStep), \(now), \(rule.plan),
        \(rule.version)::integer, due_at, CASE WHEN is_direct THEN 'send' ELSE 'entry' END,
        CASE WHEN NOT is_direct AND \(!rule.awaits.isEmpty) THEN \(rule.awaits) END
      FROM begun
    )
    SELECT user_id, entry_key, state, reason FROM entered
    """
  }

  /// How many of those asked so far would enter if there were no limit. Over judged.
  private static func place(_ rule: Rule) -> SQL {
    rule.limit == nil
      ? "0" : "count(*) FILTER (WHERE refused IS NULL AND held IS NULL) OVER (ORDER BY n)"
  }

  /// With those for whom the limit leaves no room, in the order they asked. Over placed: who was
  /// refused because of entries of the same batch that did not come about is refused for the limit.
  private static func refusal(_ rule: Rule) -> SQL {
    guard let limit = rule.limit else { return "refused" }
    return """
      CASE WHEN held IS NULL AND refused IS NULL AND place > \(limit.room) THEN 'audience_limit'
        WHEN refused = 'reentry_limit' AND place >= \(limit.room) AND used
          + count(*) FILTER (WHERE refused IS NULL AND held IS NULL AND place <= \(limit.room))
            OVER (PARTITION BY user_id, key) < \(rule.reentry?.limit ?? .max)
        THEN 'audience_limit' ELSE refused END
      """
  }

  /// How often the person has entered before, as far as it counts. Over asked `a` and users `u`.
  private static func used(_ rule: Rule, now: Date) -> SQL {
    guard let reentry = rule.reentry else { return "0" }
    let period: SQL =
      switch reentry.per {
      case nil: "true"
      case .rolling(let span):
        "e.entered_at > \(now.addingTimeInterval(-Double(span.seconds)))"
      case .calendar(let unit, let zone):
        "e.entered_at >= \(begin(unit, zone, rule.projectZone, now: now))"
      }
    let key: SQL =
      reentry.key.map {
        #"AND e."values" -> 'event' -> 'properties' -> \#($0) IS NOT DISTINCT FROM a.key"#
      } ?? ""
    return """
      (SELECT count(*) FROM enrolments e
        WHERE e.user_id IN (SELECT a.user_id UNION ALL
            SELECT x.alias_id FROM user_aliases x WHERE x.user_id = a.user_id)
          AND e.plan = \(rule.plan) AND e.state <> 'skipped' AND \(period) \(key))
      """
  }

  private static func begin(
    _ unit: Reentry.Period.Unit, _ zone: String?, _ projectZone: String, now: Date
  ) -> SQL {
    let name: SQL = zone.map { "\($0)" } ?? SegmentCompiler.zone(projectZone: projectZone)
    return "(date_trunc(\(unit.rawValue), \(now) AT TIME ZONE \(name)) AT TIME ZONE \(name))"
  }
}
