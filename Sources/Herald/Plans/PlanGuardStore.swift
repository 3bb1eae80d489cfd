import Foundation
import JSON
import Postgres

/// What the guards of plans look at, and the pauses they made.
enum PlanGuardStore {
  static let shards = 4

  /// Counts hand-overs that ended. `shard`: any number; many of them count one plan beside each other.
  /// The last statement of its transaction: others wait for it.
  static func count(
    _ ended: [(plan: String, outcome: String)], shard: Int, now: Date, in tx: Transaction
  ) throws {
    guard !ended.isEmpty else { return }
    var counts: [String: [String: Int]] = [:]
    for (plan, outcome) in ended { counts[plan, default: [:]][outcome, default: 0] += 1 }
    // In the order of the key: two that count the same plans never wait for each other in a circle.
    let rows = counts.sorted { $0.key < $1.key }.flatMap { plan, outcomes in
      outcomes.sorted { $0.key < $1.key }.map { (plan, $0.key, $0.value) }
    }
    try tx.execute(
      """
      INSERT INTO attempt_minutes AS m (plan, minute, shard, outcome, n)
      SELECT plan, date_trunc('minute', \(now)::timestamptz), \(shard % shards)::smallint, outcome, n
      FROM unnest(\(rows.map(\.0)), \(rows.map(\.1)), \(rows.map(\.2))) AS a (plan, outcome, n)
      ON CONFLICT (plan, minute, shard, outcome) DO UPDATE SET n = m.n + excluded.n
      """)
  }

  static func prune(before: Date, in tx: Transaction) throws -> Int {
    try tx.execute("DELETE FROM attempt_minutes WHERE minute < \(before)")
  }

  /// Of every plan that is live and did something since `from`, without what led to an earlier pause.
  static func seen(since from: Date, in db: any Queryable) throws -> [String: PlanGuard.Seen] {
    var found: [String: PlanGuard.Seen] = [:]
    let rows = try db.query(
      """
      SELECT m.plan, coalesce(sum(m.n) FILTER (WHERE m.outcome = 'sent'), 0)::bigint AS sent,
        coalesce(sum(m.n) FILTER (WHERE m.outcome = 'failed'), 0)::bigint AS failed,
        coalesce(sum(m.n) FILTER (WHERE m.outcome = 'unknown'), 0)::bigint AS unknown
      FROM attempt_minutes m JOIN plans p ON p.key = m.plan
      WHERE m.minute >= \(from) AND m.minute >= coalesce(p.guarded_from, '-infinity')
        AND NOT p.paused AND p.live_version IS NOT NULL
      GROUP BY m.plan
      """)
    for row in rows {
      found[try row.get("plan")] = PlanGuard.Seen(
        sent: try row.get("sent"), failed: try row.get("failed"), unknown: try row.get("unknown"))
    }
    return found
  }

  /// People who unsubscribed by messages of the plan's latest runs, by receipts_run_idx.
  static func unsubscribed(_ plan: String, since from: Date, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(*) AS n FROM receipts r JOIN plans p ON p.key = \(plan)
      WHERE r.run_id IN (
          SELECT id FROM runs WHERE plan = \(plan) ORDER BY started_at DESC LIMIT 40)
        AND r.event = 'unsubscribed' AND r.received_at >= \(from)
        AND r.received_at >= coalesce(p.guarded_from, '-infinity')
      """)?.get("n") ?? 0
  }

  /// Event plans that are live, with the entries of seven days they were approved for.
  static func streams(
    in db: any Queryable
  ) throws -> [(plan: String, version: Int, approved: Int)] {
    try db.query(
      """
      SELECT v.plan, v.version, greatest(coalesce(v.accepted_people, 0),
        (a.dry_run #>> '{entries,last_7_days}')::bigint) AS approved
      FROM plans p JOIN plan_versions v ON v.plan = p.key AND v.version = p.live_version
      JOIN approvals a ON a.plan = v.plan AND a.version = v.version AND a.state = 'approved'
      WHERE NOT p.paused AND v.state = 'live' AND a.dry_run #>> '{entries,last_7_days}' IS NOT NULL
      """
    ).map { (try $0.get("plan"), try $0.get("version"), try $0.get("approved")) }
  }

  /// How many entered a version since `from`, counted up to `limit` and one.
  static func entries(
    _ plan: String, _ version: Int, since from: Date, upTo limit: Int, in db: any Queryable
  ) throws -> Int {
    try db.one(
      """
      SELECT count(*) AS n FROM (SELECT FROM enrolments
        WHERE run_id IN (SELECT id FROM runs WHERE plan = \(plan)
            AND plan_version = \(version)::integer
            AND started_at > \(from)::timestamptz - interval '1 day')
          AND entered_at > \(from) AND state NOT IN ('skipped', 'held_out')
        LIMIT \(limit)::bigint + 1) AS entered
      """)?.get("n") ?? 0
  }

  /// The crowd that a version was approved for; nil when nobody approved it.
  static func approvedPeople(
    _ plan: String, _ version: Int, in db: any Queryable
  ) throws -> Int? {
    try db.one(
      """
      SELECT greatest(coalesce(v.accepted_people, 0), (a.dry_run ->> 'audience')::bigint,
        (a.demand ->> 'people')::bigint) AS n
      FROM approvals a JOIN plan_versions v ON v.plan = a.plan AND v.version = a.version
      WHERE a.plan = \(plan) AND a.version = \(version)::integer AND a.state = 'approved'
      """)?.get("n")
  }

  static func insert(
    _ pause: PlanPause, _ plan: String, _ version: Int, inFlight: Int, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO plan_pauses (plan, plan_version, at, reason, detail, "values", in_flight)
      VALUES (\(plan), \(version)::integer, \(now), \(pause.reason.rawValue), \(pause.detail),
        \(JSONB(pause.values)), \(inFlight)::integer)
      ON CONFLICT DO NOTHING
      """)
  }

  /// The pause that stands; nil when Herald did not pause the plan.
  static func find(_ plan: String, in db: any Queryable) throws -> StoredPause? {
    try db.one("SELECT \(columns) FROM plan_pauses WHERE plan = \(plan) AND ended_at IS NULL")
      .map(StoredPause.init)
  }

  static func open(in db: any Queryable) throws -> [StoredPause] {
    try db.query(
      "SELECT \(columns) FROM plan_pauses WHERE ended_at IS NULL ORDER BY at LIMIT 100"
    ).map(StoredPause.init)
  }

  /// The plan goes on or is over. Rates begin anew with the next minute.
  static func end(_ plan: String, by principal: String, now: Date, in tx: Transaction) throws {
    let ended = try tx.execute(
      """
      UPDATE plan_pauses SET ended_at = \(now), ended_by = \(principal)
      WHERE plan = \(plan) AND ended_at IS NULL
      """)
    guard ended > 0 else { return }
    try tx.execute(
      """
      UPDATE plans SET
        guarded_from = date_trunc('minute', \(now)::timestamptz) + interval '1 minute'
      WHERE key = \(plan)
      """)
  }

  static func accept(
    _ people: Int, _ plan: String, _ version: Int, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE plan_versions SET accepted_people = \(people)
      WHERE plan = \(plan) AND version = \(version)::integer
      """)
  }

  private static let columns: SQL = """
    plan, plan_version, at, reason, detail, "values", in_flight
    """
}

extension StoredPause {
  fileprivate init(_ row: Row) throws {
    plan = try row.get("plan")
    version = try row.get("plan_version")
    at = try row.get("at")
    pause = PlanPause(
      reason: PlanGuard.Reason(rawValue: try row.get("reason")) ?? .errorRate,
      detail: try row.get("detail"), values: try row.json("values"))
    inFlight = try row.get("in_flight")
  }
}
