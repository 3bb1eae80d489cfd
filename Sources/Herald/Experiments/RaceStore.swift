import Foundation
import JSON
import Postgres

/// Races: when they are to be decided on, and the decisions.
enum RaceStore {
  struct Name: Hashable, Sendable {
    let plan: String
    let version: Int
    /// Of a crowd's run; empty for a stream.
    let occurrence: String
  }

  struct Race: Sendable {
    let name: Name
    let lookAt: Date
    let winner: String?
    let status: String?
    let figures: JSONValue?
    let decidedAt: Date?
  }

  static func find(_ name: Name, in db: any Queryable) throws -> Race? {
    try db.one("SELECT \(columns) FROM races WHERE \(matches(name))").map(Race.init)
  }

  /// All of a plan, newest first.
  static func list(_ plan: String, in db: any Queryable) throws -> [Race] {
    try db.query(
      """
      SELECT \(columns) FROM races WHERE plan = \(plan)
      ORDER BY plan_version DESC, occurrence DESC LIMIT 100
      """
    ).map(Race.init)
  }

  /// Puts a race on record when there is none.
  static func open(_ name: Name, lookAt: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO races (plan, plan_version, occurrence, look_at)
      VALUES (\(name.plan), \(name.version), \(name.occurrence), \(lookAt))
      ON CONFLICT (plan, plan_version, occurrence) DO NOTHING
      """)
  }

  /// Nil while somebody else decides, or after they did.
  static func lock(_ name: Name, in tx: Transaction) throws -> Race? {
    try tx.one(
      """
      SELECT \(columns) FROM races WHERE \(matches(name)) AND winner IS NULL
      FOR UPDATE SKIP LOCKED
      """
    ).map(Race.init)
  }

  static func postpone(_ name: Name, until: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE races SET look_at = \(until) WHERE \(matches(name))")
  }

  static func decide(
    _ name: Name, _ verdict: RaceRule.Verdict, _ figures: [RaceRule.Figures], now: Date,
    in tx: Transaction
  ) throws {
    let seen = JSONValue.array(
      figures.map {
        ["variant": .string($0.key), "sent": .int($0.sent), "answered": .int($0.answered)]
      })
    try tx.execute(
      """
      UPDATE races SET winner = \(verdict.winner), status = \(verdict.status.rawValue),
        figures = \(JSONB(seen)), decided_at = \(now)
      WHERE \(matches(name))
      """)
  }

  private static func matches(_ name: Name) -> SQL {
    """
    plan = \(name.plan) AND plan_version = \(name.version)::integer
      AND occurrence = \(name.occurrence)
    """
  }

  private static let columns: SQL = """
    plan, plan_version, occurrence, look_at, winner, status, figures, decided_at
    """
}

// MARK: - What is seen of the racers

extension RaceStore {
  /// Where those who race stand at the step.
  struct Field: Sendable {
    var figures: [RaceRule.Figures]
    /// Under way to a send.
    var pending = 0
    /// On their way to the step.
    var coming = 0
    var firstSent: Date?
    var lastSent: Date?
  }

  /// Sends and answers by variant, in the order of `variants`. An answer counts within `observe` of
  /// the person's own send. `run` nil: of all runs of the version.
  static func field(
    _ name: Name, run: UUID?, step: String, variants: [String], _ metric: Experiment.Metric,
    observe: TimeInterval, in db: any Queryable
  ) throws -> Field {
    let runs: SQL =
      run.map { "e.run_id = \($0)" }
        ?? """
        e.run_id IN (SELECT id FROM runs WHERE plan = \(name.plan)
          AND plan_version = \(name.version)::integer)
        """
    let events = metric == .clickRate ? ["clicked"] : ["opened", "clicked"]
    // By enrolments_racers_idx, then by the primary keys.
    let rows = try db.query(
      SQL(
        """
        SELECT e.arm, count(*) FILTER (WHERE d.status = 'sent') AS sent,
          count(*) FILTER (WHERE d.status = 'pending') AS pending,
          count(*) FILTER (WHERE d.id IS NULL AND e.state = 'active') AS coming,
          min(d.settled_at) FILTER (WHERE d.status = 'sent') AS first_sent,
          max(d.settled_at) FILTER (WHERE d.status = 'sent') AS last_sent,
          count(*) FILTER (WHERE d.status = 'sent' AND EXISTS (SELECT FROM receipts r
            WHERE r.user_id = d.user_id AND r.delivery_id = d.id AND r.event = ANY(\(events))
              AND r.at < d.settled_at + make_interval(secs => \(observe)))) AS answered
        FROM enrolments e LEFT JOIN deliveries d ON d.user_id = e.user_id AND d.run_id = e.run_id
          AND d.entry_key = e.entry_key AND d.step_id = \(step) AND d.entered_at = e.entered_at
        WHERE \(runs) AND e.arm <> 'winner' AND e.arm = ANY(\(variants))
        GROUP BY e.arm
        """
      ).unprepared())
    var field = Field(figures: variants.map { RaceRule.Figures(key: $0) })
    for row in rows {
      let arm: String = try row.get("arm")
      guard let place = variants.firstIndex(of: arm) else { continue }
      field.figures[place].sent = try row.get("sent")
      field.figures[place].answered = try row.get("answered")
      field.pending += try row.get("pending", as: Int.self)
      field.coming += try row.get("coming", as: Int.self)
      let first: Date? = try row.get("first_sent")
      let last: Date? = try row.get("last_sent")
      field.firstSent = [field.firstSent, first].compactMap(\.self).min()
      field.lastSent = [field.lastSent, last].compactMap(\.self).max()
    }
    return field
  }

  static func runs(_ ids: Set<UUID>, in db: any Queryable) throws -> [UUID: Run] {
    guard !ids.isEmpty else { return [:] }
    let runs = try db.query(
      "SELECT \(RunStore.columns) FROM runs WHERE id = ANY(\(Array(ids)))"
    ).map(Run.init)
    return Dictionary(runs.map { ($0.id, $0) }) { first, _ in first }
  }
}

extension RaceStore.Race {
  init(_ row: Row) throws {
    name = RaceStore.Name(
      plan: try row.get("plan"), version: try row.get("plan_version"),
      occurrence: try row.get("occurrence"))
    lookAt = try row.get("look_at")
    winner = try row.get("winner")
    status = try row.get("status")
    figures = try row.optionalJSON("figures")
    decidedAt = try row.get("decided_at")
  }
}

extension ApprovedPlan {
  /// The race of a stream: one for all its days.
  var stream: RaceStore.Name { RaceStore.Name(plan: key, version: version, occurrence: "") }
}
