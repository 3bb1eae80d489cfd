import Foundation
import JSON
import Postgres

/// The rows that tell what was decided about one person in one plan. All by keys that begin with
/// the user.
enum ExplanationStore {
  /// Runs looked back on, newest first.
  static let mostRuns = 100

  /// The user and the ids merged into them: their rows stay where they were written.
  static func ids(of user: UUID, in db: any Queryable) throws -> [UUID] {
    let rows = try db.query("SELECT alias_id FROM user_aliases WHERE user_id = \(user)")
    return try [user] + rows.map { try $0.get(0) }
  }

  struct Enrolment: Sendable {
    let name: EnrolmentName
    let enteredAt: Date
    let version: Int
    let state: String
    let reason: String?
    let bucket: Int?
    let arm: String?
    let values: JSONValue?
    let finishedAt: Date?

    /// Without what was noted when the person left.
    var valuesAtEntry: JSONValue? {
      guard var values = values?.objectValue, values["exit"] != nil else { return values }
      values["exit"] = nil
      return values.members.isEmpty ? nil : .object(values)
    }
  }

  static func enrolments(
    _ ids: [UUID], plan: String, in db: any Queryable
  ) throws -> [Enrolment] {
    try db.query(
      """
      SELECT run_id, user_id, entry_key, entered_at, plan_version, state, reason, holdout_bucket, arm,
        "values", finished_at
      FROM enrolments WHERE user_id = ANY(\(ids)) AND plan = \(plan)
      ORDER BY entered_at DESC LIMIT \(mostRuns)
      """
    ).map { row in
      Enrolment(
        name: try EnrolmentName(row),
        enteredAt: try row.get("entered_at"), version: try row.get("plan_version"),
        state: try row.get("state"), reason: try row.get("reason"),
        bucket: try row.get("holdout_bucket", as: Int?.self),
        arm: try row.get("arm"), values: try row.optionalJSON("values"),
        finishedAt: try row.get("finished_at"))
    }
  }

  /// Runs whose frozen audience has the person, who has no enrolment there.
  static func undecided(
    _ ids: [UUID], plan: String, in db: any Queryable
  ) throws -> [Run] {
    try db.query(
      """
      SELECT r.id, r.plan, r.plan_version, r.occurrence, r.state, r.targeted, r.entered_lanes,
        r.started_at, r.finished_at, r.state_reason
      FROM runs r, unnest(\(ids)) AS u (id)
      JOIN LATERAL (SELECT FROM run_targets t
        WHERE t.run_id = r.id AND t.lane = herald_lane(u.id) AND t.user_id = u.id) AS t ON true
      WHERE r.plan = \(plan)
        AND NOT EXISTS (SELECT FROM enrolments e WHERE e.user_id = u.id AND e.run_id = r.id)
      ORDER BY r.started_at DESC LIMIT \(mostRuns)
      """
    ).map(Run.init)
  }

  struct Delivery: Sendable {
    let id: UUID
    let enrolment: EnrolmentName
    let step: String
    let status: String
    let reason: String?
    let gate: String?
    let values: JSONValue?
    let channel: String?
    let sender: String?
    let createdAt: Date
    let settledAt: Date?
    let waiting: Waiting?
  }

  /// What a delivery's queue row says of it. `dueAt` nil: parked.
  struct Waiting: Sendable {
    let dueAt: Date?
    let phase: String
    /// Of the step's chain, the one it is at.
    let link: Int
    let tries: Int
    let inFlight: Bool
    /// Of what may have gone out: the sender that had it.
    let doubted: String?
  }

  static func deliveries(
    _ ids: [UUID], plan: String, runs: [UUID], in db: any Queryable
  ) throws -> [Delivery] {
    try db.query(
      """
      SELECT d.id, d.user_id, d.run_id, d.entry_key, d.step_id, d.status, d.reason, d.gate,
        d."values", d.channel, d.sender, d.created_at, d.settled_at, q.phase, q.link, q.tries,
        nullif(q.due_at, 'infinity') AS due_at,
        coalesce(q.handed_over_at IS NOT NULL AND q.leased_until > clock_timestamp(), false)
          AS in_flight,
        CASE WHEN q.handed_over_at IS NOT NULL THEN q.sender END AS doubted
      FROM deliveries d
      LEFT JOIN queue q ON q.lane = herald_lane(d.user_id) AND q.delivery_id = d.id
      WHERE d.user_id = ANY(\(ids)) AND d.plan = \(plan) AND d.run_id = ANY(\(runs))
      ORDER BY d.created_at, d.id LIMIT 1000
      """
    ).map { row in
      let phase: String? = try row.get("phase")
      return Delivery(
        id: try row.get("id"),
        enrolment: try EnrolmentName(row), step: try row.get("step_id"),
        status: try row.get("status"), reason: try row.get("reason"), gate: try row.get("gate"),
        values: try row.optionalJSON("values"), channel: try row.get("channel"),
        sender: try row.get("sender"), createdAt: try row.get("created_at"),
        settledAt: try row.get("settled_at"),
        waiting: try phase.map {
          Waiting(
            dueAt: try row.get("due_at"), phase: $0, link: try row.get("link"),
            tries: try row.get("tries"), inFlight: try row.get("in_flight"),
            doubted: try row.get("doubted"))
        })
    }
  }

  /// At a step that sends nothing.
  struct Visit: Sendable {
    let enrolment: EnrolmentName
    let step: String
    let kind: String
    let state: String
    let outcome: String?
    let values: JSONValue?
    let arrivedAt: Date
    let leftAt: Date?
    /// Of those who wait: when the step looks again at the latest; nil: parked.
    let dueAt: Date?
  }

  static func visits(
    _ ids: [UUID], plan: String, runs: [UUID], in db: any Queryable
  ) throws -> [Visit] {
    try db.query(
      """
      SELECT v.user_id, v.run_id, v.entry_key, v.step_id, v.kind, v.state, v.outcome, v."values",
        v.arrived_at, v.left_at, nullif(q.due_at, 'infinity') AS due_at
      FROM step_visits v
      LEFT JOIN queue q ON v.state = 'waiting' AND q.lane = herald_lane(v.user_id)
        AND q.user_id = v.user_id AND q.run_id = v.run_id AND q.entry_key = v.entry_key
        AND q.step_id = v.step_id AND q.phase = 'step'
      WHERE v.user_id = ANY(\(ids)) AND v.plan = \(plan) AND v.run_id = ANY(\(runs))
      ORDER BY v.arrived_at, v.step_id LIMIT 1000
      """
    ).map { row in
      Visit(
        enrolment: try EnrolmentName(row), step: try row.get("step_id"),
        kind: try row.get("kind"), state: try row.get("state"), outcome: try row.get("outcome"),
        values: try row.optionalJSON("values"), arrivedAt: try row.get("arrived_at"),
        leftAt: try row.get("left_at"), dueAt: try row.get("due_at"))
    }
  }

  /// By delivery, in the order they happened.
  static func attempts(
    _ ids: [UUID], deliveries: [UUID], in db: any Queryable
  ) throws -> [UUID: [ExplainedAttempt]] {
    let rows = try db.query(
      """
      SELECT delivery_id, link, channel, sender, status, reason, provider_id, started_at
      FROM attempts WHERE user_id = ANY(\(ids)) AND delivery_id = ANY(\(deliveries))
      ORDER BY delivery_id, started_at, link, try
      """)
    var attempts: [UUID: [ExplainedAttempt]] = [:]
    for row in rows {
      attempts[try row.get("delivery_id"), default: []].append(
        ExplainedAttempt(
          link: try row.get("link"), channel: try row.get("channel"),
          sender: try row.get("sender"), status: try row.get("status"),
          reason: try row.get("reason"), providerID: try row.get("provider_id"),
          at: try row.get("started_at")))
    }
    return attempts
  }
}
