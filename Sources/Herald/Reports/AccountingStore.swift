import Foundation
import Postgres

/// Counts rows by run. Each query is one pass over the runs' rows, never prepared, so that the
/// planner knows how much of a table it is asked for.
enum AccountingStore {
  /// All runs of a plan, newest first.
  static func runs(_ plan: String, in db: any Queryable) throws -> [Run] {
    try db.query(
      "SELECT \(RunStore.columns) FROM runs WHERE plan = \(plan) ORDER BY started_at DESC, id"
    ).map(Run.init)
  }

  /// The steps of versions, in their order.
  static func steps(
    _ plan: String, versions: Set<Int>, in db: any Queryable
  ) throws -> [Int: [(id: String, kind: PlanDocument.Step.Kind?)]] {
    let rows = try db.query(
      """
      SELECT v.version, s.step->>'id' AS id, (SELECT k FROM jsonb_object_keys(s.step) AS k
        WHERE k = ANY(\(PlanDocument.Step.Kind.allCases.map(\.rawValue))) LIMIT 1) AS kind
      FROM plan_versions v,
        jsonb_array_elements(v.document->'steps') WITH ORDINALITY AS s (step, n)
      WHERE v.plan = \(plan) AND v.version = ANY(\(versions.sorted()))
      ORDER BY v.version DESC, s.n
      """)
    var steps: [Int: [(id: String, kind: PlanDocument.Step.Kind?)]] = [:]
    for row in rows {
      let kind: String? = try row.get("kind")
      steps[try row.get("version"), default: []].append(
        (try row.get("id"), kind.flatMap(PlanDocument.Step.Kind.init(rawValue:))))
    }
    return steps
  }

  /// How many were targeted of those a key with a user scope may see; the runs say it for others.
  static func targeted(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [UUID: Int] {
    let rows = try db.query(
      SQL(
        """
        SELECT t.run_id, count(*) AS n FROM run_targets t
        WHERE t.run_id = ANY(\(runs)) AND \(scope.admits("t")) GROUP BY t.run_id
        """
      ).unprepared())
    return try counts(rows)
  }

  /// People of the frozen audience who are not decided on. Only lanes still open are looked at.
  static func undecided(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [UUID: Int] {
    guard !runs.isEmpty else { return [:] }
    let rows = try db.query(
      SQL(
        """
        SELECT t.run_id, count(*) AS n FROM runs r
        JOIN run_targets t ON t.run_id = r.id
          AND (r.entered_lanes >> t.lane::integer) & 1 = 0
        WHERE r.id = ANY(\(runs)) AND \(scope.admits("t"))
          AND NOT EXISTS (SELECT FROM enrolments e
            WHERE e.user_id = t.user_id AND e.run_id = t.run_id)
        GROUP BY t.run_id
        """
      ).unprepared())
    return try counts(rows)
  }

  struct People: Sendable {
    let run: UUID
    let state: String
    let reason: String?
    let count: Int
  }

  static func people(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [People] {
    try db.query(
      SQL(
        """
        SELECT e.run_id, e.state, e.reason, count(*) AS n FROM enrolments e
        WHERE e.run_id = ANY(\(runs)) AND \(scope.admits("e"))
        GROUP BY e.run_id, e.state, e.reason
        """
      ).unprepared()
    ).map {
      People(
        run: try $0.get("run_id"), state: try $0.get("state"), reason: try $0.get("reason"),
        count: try $0.get("n"))
    }
  }

  struct Deliveries: Sendable {
    let run: UUID
    let step: String
    let status: DeliveryStatus?
    /// Of skipped ones.
    let code: String?
    let count: Int
  }

  /// Those whose month retention has dropped are counted too, but for keys with a user scope: of them
  /// the totals are known and no longer whose they were.
  static func deliveries(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [Deliveries] {
    let sealed: SQL =
      scope.isEverybody
      ? """
       UNION ALL
      SELECT run_id, step_id, status, nullif(code, ''), n FROM sealed_deliveries
      WHERE run_id = ANY(\(runs))
      """ : ""
    return try db.query(
      SQL(
        """
        SELECT run_id, step_id, status, code, sum(n)::bigint AS n FROM (
          SELECT d.run_id, d.step_id, d.status, CASE WHEN d.status = 'skipped' THEN d.reason END
            AS code, count(*) AS n
          FROM deliveries d WHERE d.run_id = ANY(\(runs)) AND \(scope.admits("d"))
          GROUP BY 1, 2, 3, 4\(sealed)
        ) AS parts GROUP BY 1, 2, 3, 4
        """
      ).unprepared()
    ).map {
      Deliveries(
        run: try $0.get("run_id"), step: try $0.get("step_id"),
        status: DeliveryStatus(rawValue: try $0.get("status")), code: try $0.get("code"),
        count: try $0.get("n"))
    }
  }

  struct Visits: Sendable {
    let run: UUID
    let step: String
    let kind: String
    let state: StepVisitState?
    let outcome: String?
    let count: Int
  }

  static func visits(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [Visits] {
    try db.query(
      SQL(
        """
        SELECT v.run_id, v.step_id, v.kind, v.state, v.outcome, count(*) AS n FROM step_visits v
        WHERE v.run_id = ANY(\(runs)) AND \(scope.admits("v"))
        GROUP BY v.run_id, v.step_id, v.kind, v.state, v.outcome
        """
      ).unprepared()
    ).map {
      Visits(
        run: try $0.get("run_id"), step: try $0.get("step_id"), kind: try $0.get("kind"),
        state: StepVisitState(rawValue: try $0.get("state")), outcome: try $0.get("outcome"),
        count: try $0.get("n"))
    }
  }

  struct Attempts: Sendable {
    let run: UUID
    let channel: String
    let status: AttemptStatus?
    let count: Int
  }

  static func attempts(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [Attempts] {
    try db.query(
      SQL(
        """
        SELECT a.run_id, a.channel, a.status, count(*) AS n FROM attempts a
        WHERE a.run_id = ANY(\(runs)) AND \(scope.admits("a"))
        GROUP BY a.run_id, a.channel, a.status
        """
      ).unprepared()
    ).map {
      Attempts(
        run: try $0.get("run_id"), channel: try $0.get("channel"),
        status: AttemptStatus(rawValue: try $0.get("status")), count: try $0.get("n"))
    }
  }

  private static func counts(_ rows: Rows) throws -> [UUID: Int] {
    var counts: [UUID: Int] = [:]
    for row in rows { counts[try row.get("run_id")] = try row.get("n") }
    return counts
  }
}
