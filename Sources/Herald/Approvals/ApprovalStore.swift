import Foundation
import JSON
import Postgres

enum ApprovalStore {
  static func insert(
    _ id: UUID, _ new: Submission, by caller: Caller, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO approvals (id, plan, version, hash, manifest, dry_run, diff, lint, demand, comment,
        state, submitted_by, submitted_key, submitted_at, expires_at, remind_at)
      VALUES (\(id), \(new.plan), \(new.version)::integer, \(new.hash), \(JSONB(new.manifest)),
        \(JSONB(new.dryRun)), \(JSONB(new.diff)), \(JSONB(new.lint)), \(JSONB(new.demand.json)),
        \(new.comment), 'pending', \(caller.principal), \(caller.keyID), \(now),
        \(new.expiresAt), \(new.remindAt))
      """)
  }

  /// What is written down at a submission.
  struct Submission {
    let plan: String
    let version: Int
    let hash: String
    let manifest: JSONValue
    let dryRun: JSONValue
    let diff: JSONValue
    let lint: JSONValue
    let demand: ApprovalDemand
    let comment: String?
    let expiresAt: Date
    let remindAt: Date?
  }

  /// With its decisions and comments.
  static func find(_ id: UUID, in db: any Queryable) throws -> Approval? {
    let found = try db.one("SELECT \(columns) FROM approvals WHERE id = \(id)")
    return try found.map { try complete([Approval($0)], in: db)[0] }
  }

  static func load(_ id: UUID, in db: any Queryable) throws -> Approval {
    guard let approval = try find(id, in: db) else {
      throw HeraldError.notFound("approval", id.text)
    }
    return approval
  }

  /// What the approval of a version asked for; nil when nobody approved it.
  static func demand(
    _ plan: String, _ version: Int, in db: any Queryable
  ) throws -> ApprovalDemand? {
    try db.one(
      """
      SELECT demand FROM approvals
      WHERE plan = \(plan) AND version = \(version)::integer AND state = 'approved'
      """
    ).map { try ApprovalDemand(stored: $0.json("demand")) }
  }

  static func list(
    _ page: PageRequest, state: String?, plan: String?, in db: any Queryable
  ) throws -> [Approval] {
    let before = page.after?.values.first.flatMap(UUID.init(uuidString:))
    // Ids are ordered by time: newest first.
    let found = try db.query(
      """
      SELECT \(columns) FROM approvals
      WHERE (\(before)::uuid IS NULL OR id < \(before))
        AND (\(state)::text IS NULL OR state = \(state))
        AND (\(plan)::text IS NULL OR plan = \(plan))
      ORDER BY id DESC LIMIT \(page.limit + 1)
      """
    ).map(Approval.init)
    return try complete(found, in: db)
  }

  static func decide(
    _ id: UUID, _ state: Approval.State, comment: String?, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE approvals SET state = \(state.rawValue), decided_by = \(caller.principal),
        decided_key = \(caller.keyID), decided_at = \(now), decision_comment = \(comment)
      WHERE id = \(id)
      """)
  }

  /// Takes back what was submitted of a plan and not decided.
  static func supersede(plan: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE approvals SET state = 'superseded', decided_at = \(now)
      WHERE plan = \(plan) AND state = 'pending'
      """)
  }

  /// Everyone who edited or submitted the plan since a version of it was last approved.
  static func authors(
    plan: String, upTo version: Int, in db: any Queryable
  ) throws -> Set<String> {
    let rows = try db.query(
      """
      WITH approved AS (
        SELECT coalesce(max(version), 0) AS version FROM approvals
        WHERE plan = \(plan) AND state = 'approved' AND version < \(version)::integer)
      SELECT principal FROM plan_edits
      WHERE plan = \(plan) AND version > (SELECT version FROM approved)
      UNION SELECT submitted_by FROM approvals
      WHERE plan = \(plan) AND version > (SELECT version FROM approved)
      """)
    return Set(try rows.map { try $0.get(0, as: String.self) })
  }

  /// The principals along the line of keys that made this key, nearest first.
  static func makers(of key: UUID, in db: any Queryable) throws -> Set<String> {
    let rows = try db.query(
      """
      WITH RECURSIVE line AS (
        SELECT id, created_by_key, created_by_principal, 1 AS depth FROM api_keys WHERE id = \(key)
        UNION ALL
        SELECT k.id, k.created_by_key, k.created_by_principal, depth + 1
        FROM api_keys k JOIN line ON k.id = line.created_by_key WHERE depth < 100)
      SELECT DISTINCT created_by_principal FROM line WHERE created_by_principal IS NOT NULL
      """)
    return Set(try rows.map { try $0.get(0, as: String.self) })
  }

  private static let columns: SQL = """
    id, plan, version, hash, manifest, dry_run, diff, lint, demand, comment, state, submitted_by,
    submitted_at, decided_by, decided_at, decision_comment, expires_at, reminders
    """
}

extension Approval {
  init(_ row: Row) throws {
    id = try row.get("id")
    plan = try row.get("plan")
    version = try row.get("version")
    hash = try row.get("hash")
    manifest = try row.json("manifest")
    dryRun = try row.json("dry_run")
    diff = try row.json("diff")
    comment = try row.get("comment")
    state = State(rawValue: try row.get("state")) ?? .superseded
    submittedBy = try row.get("submitted_by")
    submittedAt = try row.get("submitted_at")
    decidedBy = try row.get("decided_by")
    decidedAt = try row.get("decided_at")
    decisionComment = try row.get("decision_comment")
    demand = try ApprovalDemand(stored: row.json("demand"))
    lint = try row.json("lint")
    expiresAt = try row.get("expires_at")
    reminders = try row.get("reminders")
  }
}
