import Foundation
import JSON
import Postgres

enum SettingsStore {
  /// As it comes with Herald until somebody changed something.
  static func load(in db: any Queryable) throws -> StoredSettings {
    guard let row = try db.one("SELECT document, version, updated_at FROM settings") else {
      return StoredSettings(settings: ProjectSettings(), version: 0, updatedAt: nil)
    }
    return StoredSettings(
      settings: try ProjectSettings(stored: row.json("document")), version: try row.get("version"),
      updatedAt: try row.get("updated_at"))
  }

  /// Serialises changes and proposals for the rest of the transaction.
  static func lock(in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('herald_settings'))")
  }

  static func save(
    _ settings: ProjectSettings, version: Int, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO settings (document, version, updated_at)
      VALUES (\(JSONB(settings.json)), \(version), \(now))
      ON CONFLICT (id) DO UPDATE SET document = excluded.document, version = excluded.version,
        updated_at = excluded.updated_at
      """)
  }

  /// Principals that could confirm a change: those with a key of role admin or approver in force.
  static func deciders(now: Date, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(DISTINCT principal) AS n FROM api_keys
      WHERE role IN ('admin', 'approver') AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > \(now))
      """)?.get("n") ?? 0
  }

  static func insert(
    _ id: UUID, _ settings: ProjectSettings, base: Int, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO settings_proposals (id, document, base_version, state, proposed_by, proposed_key,
        proposed_at)
      VALUES (\(id), \(JSONB(settings.json)), \(base), 'pending', \(caller.principal),
        \(caller.keyID), \(now))
      """)
  }

  static func proposal(_ id: UUID, in db: any Queryable) throws -> SettingsProposal {
    guard
      let row = try db.one("SELECT \(columns) FROM settings_proposals WHERE id = \(id)")
    else { throw HeraldError.notFound("proposal", id.text) }
    return try SettingsProposal(row)
  }

  static func proposals(
    _ page: PageRequest, state: String?, in db: any Queryable
  ) throws -> [SettingsProposal] {
    let before = page.after?.values.first.flatMap(UUID.init(uuidString:))
    // Ids are ordered by time: newest first.
    return try db.query(
      """
      SELECT \(columns) FROM settings_proposals
      WHERE (\(before)::uuid IS NULL OR id < \(before))
        AND (\(state)::text IS NULL OR state = \(state))
      ORDER BY id DESC LIMIT \(page.limit + 1)
      """
    ).map(SettingsProposal.init)
  }

  /// The others were made on what is no longer there.
  static func confirm(
    _ id: UUID, by caller: Caller, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE settings_proposals SET decided_at = \(now),
        state = CASE WHEN id = \(id) THEN 'confirmed' ELSE 'superseded' END,
        decided_by = CASE WHEN id = \(id) THEN \(caller.principal) END
      WHERE state = 'pending'
      """)
  }

  /// A change made directly leaves no proposal standing.
  static func supersede(now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE settings_proposals SET state = 'superseded', decided_at = \(now)
      WHERE state = 'pending'
      """)
  }

  private static let columns: SQL = """
    id, document, base_version, state, proposed_by, proposed_at, decided_by, decided_at
    """
}

extension SettingsProposal {
  fileprivate init(_ row: Row) throws {
    id = try row.get("id")
    settings = try ProjectSettings(stored: row.json("document"))
    baseVersion = try row.get("base_version")
    state = State(rawValue: try row.get("state")) ?? .superseded
    proposedBy = try row.get("proposed_by")
    proposedAt = try row.get("proposed_at")
    decidedBy = try row.get("decided_by")
    decidedAt = try row.get("decided_at")
  }
}
