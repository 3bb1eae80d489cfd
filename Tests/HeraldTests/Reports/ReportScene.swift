import Cryptography
import Foundation
import HeraldTesting
import JSON
import Migrations
import Postgres
import Testing

@testable import Herald

/// Rows as launches and the dispatcher leave them, written by hand.
struct ReportScene: Sendable {
  static let now = Date(timeIntervalSince1970: 1_767_225_600)
  static let admin = Caller(keyID: UUID(), principal: "han.meimei", role: .admin)

  let db: Database

  /// A database with the schema; `body` gets a scene in it.
  static func with(_ body: (ReportScene) async throws -> Void) async throws {
    let schema = Migrations.all.map { migration in
      Migration(
        version: migration.version, name: migration.name,
        sql: String(decoding: migration.sql, as: UTF8.self), checksum: "")
    }
    try await withDatabase(migrations: schema) {
      try await body(ReportScene(db: Database(pool: TestDatabase.current.pool)))
    }
  }

  func execute(_ sql: SQL) async throws {
    try await db.pool.write { tx in _ = try tx.execute(sql) }
  }

  static func document(
    steps: [String], goals: [JSONValue] = [], segment: String = "crowd", holdout: Double = 0.05
  ) -> JSONValue {
    [
      "name": "Hello", "goals": .array(goals),
      "trigger": ["segment": .string(segment), "at": "now"],
      "holdout": .double(holdout),
      "steps": .array(
        steps.map {
          ["id": .string($0), "send": ["chain": [["channel": "push", "template": "hi"]]]]
        }),
    ]
  }

  /// A live plan.
  func plan(_ key: String, _ document: JSONValue, state: String = "live") async throws {
    let now = Self.now
    try await db.pool.write { tx in
      try tx.execute(
        """
        INSERT INTO plans (key, name, live_version, created_at, updated_at)
        VALUES (\(key), 'Hello', 1, \(now), \(now))
        """)
      try tx.execute(
        """
        INSERT INTO plan_versions (plan, version, document, hash, state, author, created_at,
          updated_at)
        VALUES (\(key), 1, \(JSONB(document)), 'sha256:0', \(state), 'li.lei', \(now), \(now))
        """)
    }
  }

  /// A run whose lanes are all entered. Its audience is `people`.
  func run(
    of plan: String, people: [UUID], state: String = "running", occurrence: String = "once",
    lanes: Int = -1
  ) async throws -> UUID {
    let id = UUID()
    let now = Self.now
    try await db.pool.write { tx in
      try tx.execute(
        """
        INSERT INTO runs (id, plan, plan_version, occurrence, state, targeted, entered_lanes,
          started_at)
        VALUES (\(id), \(plan), 1, \(occurrence), \(state), \(people.count), \(lanes), \(now))
        """)
      try tx.execute(
        """
        INSERT INTO run_targets (run_id, lane, user_id)
        SELECT \(id), herald_lane(u), u FROM unnest(\(people)) AS u
        """)
    }
    return id
  }

  static func people(_ count: Int) -> [UUID] { (0..<count).map { _ in UUID() } }

  func users(_ ids: [UUID], attributes: JSONValue = [:]) async throws {
    try await execute(
      """
      INSERT INTO users (id, attributes, created_at, updated_at)
      SELECT u, \(JSONB(attributes)), \(Self.now), \(Self.now) FROM unnest(\(ids)) AS u
      """)
  }

  func enrol(
    _ people: [UUID], in run: UUID, _ state: String, _ reason: String? = nil, bucket: Int? = nil
  ) async throws {
    try await execute(
      """
      INSERT INTO enrolments (user_id, run_id, entered_at, plan, plan_version, state, reason,
        holdout_bucket, finished_at)
      SELECT u, \(run), \(Self.now), r.plan, r.plan_version, \(state), \(reason),
        \(bucket)::smallint, CASE WHEN \(state) <> 'active' THEN \(Self.now)::timestamptz END
      FROM unnest(\(people)) AS u, runs r WHERE r.id = \(run)
      """)
  }

  /// One delivery for each; their ids in the order of `people`.
  @discardableResult
  func deliver(
    _ people: [UUID], in run: UUID, step: String, _ status: String, _ reason: String? = nil,
    channel: String? = "push", gate: String? = nil, values: JSONValue? = nil, at: Date = now
  ) async throws -> [UUID] {
    let ids = people.map { _ in UUID() }
    try await execute(
      """
      INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version, status,
        reason, gate, "values", channel, sender, created_at, settled_at)
      SELECT u, \(run), \(step), \(Self.now), d, r.plan, r.plan_version, \(status), \(reason),
        \(gate), \(values.map { JSONB($0) }), \(channel),
        CASE WHEN \(status) IN ('sent', 'failed', 'unknown') THEN 'main' END, \(at),
        CASE WHEN \(status) <> 'pending' THEN \(at)::timestamptz END
      FROM unnest(\(people), \(ids)) AS n (u, d), runs r WHERE r.id = \(run)
      """)
    return ids
  }

  /// A queue row for each pending delivery of the run.
  func queue(_ run: UUID, dueAt: Date? = now) async throws {
    try await execute(
      """
      INSERT INTO queue (lane, delivery_id, due_at, user_id, run_id, step_id, entered_at, plan,
        plan_version, step_entered_at)
      SELECT herald_lane(user_id), id, coalesce(\(dueAt), 'infinity'), user_id, run_id, step_id,
        entered_at, plan, plan_version, created_at
      FROM deliveries WHERE run_id = \(run) AND status = 'pending'
      """)
  }

  func attempt(
    _ deliveries: [UUID], _ status: String, _ reason: String? = nil, link: Int = 0, number: Int = 1,
    channel: String = "push"
  ) async throws {
    try await execute(
      """
      INSERT INTO attempts (user_id, delivery_id, link, try, entered_at, run_id, channel, sender,
        status, reason, started_at, finished_at)
      SELECT user_id, id, \(link)::smallint, \(number)::smallint, entered_at, run_id, \(channel),
        'main', \(status), \(reason), \(Self.now), \(Self.now)
      FROM deliveries WHERE id = ANY(\(deliveries))
      """)
  }

  func receipts(_ deliveries: [UUID], _ event: String) async throws {
    try await execute(
      """
      INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel, sender,
        received_at)
      SELECT user_id, id, \(event), \(Self.now), run_id, step_id, plan, 'push', 'main', \(Self.now)
      FROM deliveries WHERE id = ANY(\(deliveries))
      """)
  }

  func events(_ people: [UUID], _ name: String, after seconds: Double) async throws {
    try await execute(
      """
      INSERT INTO events (user_id, name, ts, id, source, received_at)
      SELECT u, \(name), \(Self.now.addingTimeInterval(seconds)), gen_random_uuid(), 'api',
        \(Self.now)
      FROM unnest(\(people)) AS u
      """)
  }
}
