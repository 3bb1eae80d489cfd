import Foundation
import JSON
import Postgres

enum SegmentStore {
  private static let columns: SQL = """
    key, name, kind, condition, refresh, list_version, size, refreshed_at, version, created_at,
    updated_at
    """

  /// Nil when unknown or archived.
  static func find(_ key: String, in db: any Queryable) throws -> StoredSegment? {
    try db.one("SELECT \(columns) FROM segments WHERE key = \(key) AND archived_at IS NULL")
      .map(StoredSegment.init)
  }

  static func load(_ key: String, in db: any Queryable) throws -> StoredSegment {
    guard let segment = try find(key, in: db) else { throw HeraldError.notFound("segment", key) }
    return segment
  }

  /// Those of `keys` that exist and are not archived.
  static func find(_ keys: [String], in db: any Queryable) throws -> [StoredSegment] {
    try db.query(
      """
      SELECT \(columns) FROM segments
      WHERE key = ANY(\(keys)) AND archived_at IS NULL ORDER BY key
      """
    ).map(StoredSegment.init)
  }

  static func list(
    _ page: PageRequest, kind: String?, in db: any Queryable
  ) throws -> [StoredSegment] {
    try db.query(
      """
      SELECT \(columns) FROM segments
      WHERE archived_at IS NULL AND key > \(page.after?.values[0] ?? "")
        AND (\(kind)::text IS NULL OR kind = \(kind))
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(StoredSegment.init)
  }

  /// Serialises every change of a segment's condition for the rest of the transaction: two of them
  /// together could close a cycle that neither sees alone.
  static func lockConditions(in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('segments'))")
  }

  /// Serialises changes of one static list; not-found when it is gone by then.
  static func lock(_ key: String, in tx: Transaction) throws -> StoredSegment {
    let row = try tx.one(
      "SELECT \(columns) FROM segments WHERE key = \(key) AND archived_at IS NULL FOR UPDATE")
    guard let row else { throw HeraldError.notFound("segment", key) }
    return try StoredSegment(row)
  }

  /// Inserts, changes or revives; the new version.
  static func save(_ segment: Segment, now: Date, in tx: Transaction) throws -> StoredSegment {
    let row = try tx.one(
      """
      INSERT INTO segments (key, name, kind, condition, refresh, created_at, updated_at)
      VALUES (\(segment.key), \(segment.name), \(segment.kind.rawValue),
        \(segment.condition.map { JSONB($0) }), \(JSONB(segment.refresh.json)), \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET name = excluded.name, kind = excluded.kind,
        condition = excluded.condition, refresh = excluded.refresh,
        updated_at = excluded.updated_at, version = segments.version + 1, archived_at = NULL,
        size = CASE WHEN segments.condition IS NOT DISTINCT FROM excluded.condition
          THEN segments.size END,
        refreshed_at = CASE WHEN segments.condition IS NOT DISTINCT FROM excluded.condition
          THEN segments.refreshed_at END
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The segment was not stored.") }
    return try StoredSegment(row)
  }

  static func saveSize(_ key: String, _ size: Int, now: Date, in tx: Transaction) throws {
    try tx.execute(
      "UPDATE segments SET size = \(size), refreshed_at = \(now) WHERE key = \(key)")
  }

  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE segments SET archived_at = \(now) WHERE key = \(key)")
  }

  static func delete(_ key: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM segment_members WHERE segment = \(key)")
    try tx.execute("DELETE FROM segments WHERE key = \(key)")
  }

  /// Whether a condition (of a segment, a tag, a key's scope, a plan that is not over) still names
  /// the segment.
  static func isNamed(_ key: String, in db: any Queryable) throws -> Bool {
    let name = JSONB(["segment": .string(key)])
    // `$.**` finds the member at any depth; conditions are few and small.
    return try db.one(
      """
      SELECT 1 FROM (
        SELECT condition FROM segments
        WHERE condition IS NOT NULL AND archived_at IS NULL AND key <> \(key)
        UNION ALL
        SELECT rule FROM tags WHERE rule IS NOT NULL AND archived_at IS NULL
        UNION ALL
        SELECT user_scope FROM api_keys WHERE user_scope IS NOT NULL AND revoked_at IS NULL
        UNION ALL
        SELECT document FROM plan_versions
        WHERE state NOT IN ('completed', 'cancelled', 'superseded', 'rejected')
      ) AS known (condition)
      WHERE jsonb_path_exists(condition, 'lax $.**.segment ? (@ == $segment)', \(name)) LIMIT 1
      """) != nil
  }
}

extension StoredSegment {
  init(_ row: Row) throws {
    segment = Segment(
      key: try row.get("key"), name: try row.get("name"),
      condition: try row.optionalJSON("condition"),
      refresh: Segment.Refresh(stored: try row.json("refresh")))
    listVersion = try row.get("list_version")
    size = try row.get("size")
    refreshedAt = try row.get("refreshed_at")
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
