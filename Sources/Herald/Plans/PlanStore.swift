import Foundation
import JSON
import Postgres

enum PlanStore {
  static func find(_ key: String, in db: any Queryable) throws -> Plan? {
    try db.one("SELECT \(planColumns) FROM plans WHERE key = \(key)").map(Plan.init)
  }

  static func load(_ key: String, in db: any Queryable) throws -> Plan {
    guard let plan = try find(key, in: db) else { throw HeraldError.notFound("plan", key) }
    return plan
  }

  /// Loads and locks the plan's row: its moves happen one after the other.
  static func lock(_ key: String, in tx: Transaction) throws -> Plan {
    guard
      let row = try tx.one("SELECT \(planColumns) FROM plans WHERE key = \(key) FOR UPDATE")
    else { throw HeraldError.notFound("plan", key) }
    return try Plan(row)
  }

  static func list(
    _ page: PageRequest, _ filter: PlanFilter, in db: any Queryable
  ) throws -> [Plan] {
    let (state, group) = (filter.state, filter.group)
    return try db.query(
      """
      SELECT \(planColumns) FROM plans p
      WHERE archived_at IS NOT NULL = \(filter.isArchived)
        AND key > \(page.after?.values[0] ?? "")
        AND (\(group)::text IS NULL OR plan_group = \(group))
        AND (\(state)::text IS NULL OR EXISTS (
          SELECT FROM plan_versions v WHERE v.plan = p.key AND v.state = \(state)
            AND v.version IN (p.draft_version, p.live_version)))
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(Plan.init)
  }

  /// Creates the plan; false when it exists.
  static func insert(_ key: String, name: String, now: Date, in tx: Transaction) throws -> Bool {
    try tx.execute(
      """
      INSERT INTO plans (key, name, created_at, updated_at)
      VALUES (\(key), \(name), \(now), \(now)) ON CONFLICT (key) DO NOTHING
      """) == 1
  }

  /// Any change brings an archived plan back.
  static func save(
    _ plan: Plan, name: String? = nil, draft: Int?, live: Int?, paused: Bool, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE plans SET name = \(name ?? plan.name), draft_version = \(draft)::integer,
        live_version = \(live)::integer, paused = \(paused), updated_at = \(now),
        version = version + 1, archived_at = NULL
      WHERE key = \(plan.key)
      """)
    try tx.execute("UPDATE plans_epoch SET epoch = epoch + 1")
  }

  /// Leaves an archived plan archived.
  static func setGroup(_ key: String, _ group: String?, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE plans SET plan_group = \(group), updated_at = \(now), version = version + 1
      WHERE key = \(key)
      """)
  }

  /// Groups of plans that are not archived.
  static func groups(_ page: PageRequest, in db: any Queryable) throws -> [PlanGroup] {
    try db.query(
      """
      SELECT p.plan_group, count(*) AS plans, count(*) FILTER (WHERE EXISTS (
          SELECT FROM plan_versions v WHERE v.plan = p.key AND v.version = p.live_version
            AND v.state = 'live')) AS live
      FROM plans p
      WHERE p.archived_at IS NULL AND p.plan_group > \(page.after?.values[0] ?? "")
      GROUP BY p.plan_group ORDER BY p.plan_group LIMIT \(page.limit + 1)
      """
    ).map {
      PlanGroup(key: try $0.get("plan_group"), plans: try $0.get("plans"), live: try $0.get("live"))
    }
  }

  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      "UPDATE plans SET archived_at = \(now), version = version + 1 WHERE key = \(key)")
  }

  static func version(
    _ plan: String, _ version: Int, in db: any Queryable
  ) throws -> PlanVersion {
    guard
      let row = try db.one(
        """
        SELECT \(versionColumns) FROM plan_versions
        WHERE plan = \(plan) AND version = \(version)::integer
        """)
    else { throw HeraldError.noVersion(String(version), of: plan) }
    return try PlanVersion(row)
  }

  static func versions(_ plan: String, in db: any Queryable) throws -> [PlanVersion] {
    try db.query(
      """
      SELECT \(versionColumns) FROM plan_versions WHERE plan = \(plan)
      ORDER BY version DESC LIMIT 100
      """
    ).map(PlanVersion.init)
  }

  static func latestVersion(_ plan: String, in db: any Queryable) throws -> Int {
    try db.one(
      "SELECT coalesce(max(version), 0) AS n FROM plan_versions WHERE plan = \(plan)")?.get("n")
      ?? 0
  }

  static func saveDraft(
    _ plan: String, _ version: Int, document: JSONValue, hash: String, author: String, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO plan_versions (plan, version, document, hash, state, author, created_at,
        updated_at)
      VALUES (\(plan), \(version)::integer, \(JSONB(document)), \(hash), 'draft', \(author),
        \(now), \(now))
      ON CONFLICT (plan, version) DO UPDATE SET document = excluded.document,
        hash = excluded.hash, state = 'draft', state_reason = NULL, manifest = NULL,
        manifest_hash = NULL, updated_at = excluded.updated_at
      """)
  }

  static func recordEdit(
    _ plan: String, _ version: Int, by caller: Caller, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO plan_edits (plan, version, principal, key_id, at)
      VALUES (\(plan), \(version)::integer, \(caller.principal), \(caller.keyID), \(now))
      ON CONFLICT (plan, version, principal, key_id) DO UPDATE SET at = excluded.at
      """)
  }

  /// Whoever wrote what a copy was made of wrote the copy, too.
  static func recordAuthors(
    of source: String, upTo version: Int, on copy: String, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO plan_edits (plan, version, principal, key_id, at)
      SELECT \(copy), 1, principal, key_id, max(at) FROM plan_edits
      WHERE plan = \(source) AND version <= \(version)::integer
      GROUP BY principal, key_id
      ON CONFLICT (plan, version, principal, key_id) DO NOTHING
      """)
  }

  static func freeze(
    _ plan: String, _ version: Int, manifest: JSONValue, hash: String, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE plan_versions SET manifest = \(JSONB(manifest)), manifest_hash = \(hash),
        state = 'pending_approval', updated_at = \(now)
      WHERE plan = \(plan) AND version = \(version)::integer
      """)
  }

  static func setState(
    _ version: PlanVersion, _ state: PlanState, reason: String? = nil, launchAt: Date? = nil,
    now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE plan_versions SET state = \(state.rawValue), state_reason = \(reason),
        launch_at = \(launchAt), updated_at = \(now),
        live_at = CASE WHEN \(state == .live) THEN coalesce(live_at, \(now)) ELSE live_at END
      WHERE plan = \(version.plan) AND version = \(version.version)::integer
      """)
    try tx.execute("UPDATE plans_epoch SET epoch = epoch + 1")
  }

  /// Moves whenever a plan or the state of a version changes.
  static func epoch(in db: any Queryable) throws -> Int {
    try db.one("SELECT epoch FROM plans_epoch")?.get("epoch") ?? 0
  }

  /// Versions that people enter (live and not paused), and others that somebody may be in still.
  static func inhabited(
    in db: any Queryable
  ) throws -> [(name: PlanVersionName, takesPeople: Bool)] {
    try db.query(
      """
      SELECT v.plan, v.version, v.state = 'live' AND NOT p.paused AS takes_people
      FROM plan_versions v JOIN plans p ON p.key = v.plan
      WHERE v.state IN ('live', 'paused') OR (v.state = 'superseded' AND EXISTS (
        SELECT FROM runs r WHERE r.plan = v.plan AND r.plan_version = v.version
          AND r.state IN ('entering', 'running')))
      ORDER BY v.plan, v.version
      """
    ).map {
      (
        PlanVersionName(plan: try $0.get("plan"), version: try $0.get("version")),
        try $0.get("takes_people")
      )
    }
  }

  private static let planColumns: SQL = """
    key, name, plan_group, draft_version, live_version, paused, version, created_at, updated_at, archived_at
    """
  private static let versionColumns: SQL = """
    plan, version, document, hash, state, state_reason, manifest, manifest_hash, author,
    created_at, updated_at, launch_at
    """
}

extension Plan {
  init(_ row: Row) throws {
    key = try row.get("key")
    name = try row.get("name")
    group = try row.get("plan_group")
    draftVersion = try row.get("draft_version")
    liveVersion = try row.get("live_version")
    paused = try row.get("paused")
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
    archivedAt = try row.get("archived_at")
  }
}

extension PlanVersion {
  init(_ row: Row) throws {
    plan = try row.get("plan")
    version = try row.get("version")
    document = try row.json("document")
    hash = try row.get("hash")
    state = PlanState(rawValue: try row.get("state")) ?? .draft
    stateReason = try row.get("state_reason")
    manifest = try row.optionalJSON("manifest")
    manifestHash = try row.get("manifest_hash")
    author = try row.get("author")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
    launchAt = try row.get("launch_at")
  }
}
