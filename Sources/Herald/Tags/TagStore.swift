import Foundation
import JSON
import Postgres

enum TagStore {
  private static let columns: SQL = """
    key, name, category, type, choices, rule, ttl_seconds, version, created_at, updated_at
    """

  /// Nil when unknown or archived.
  static func find(_ key: String, in db: any Queryable) throws -> StoredTag? {
    try db.one("SELECT \(columns) FROM tags WHERE key = \(key) AND archived_at IS NULL")
      .map(StoredTag.init)
  }

  static func load(_ key: String, in db: any Queryable) throws -> StoredTag {
    guard let tag = try find(key, in: db) else { throw HeraldError.notFound("tag", key) }
    return tag
  }

  static func find(_ keys: [String], in db: any Queryable) throws -> [String: StoredTag] {
    let rows = try db.query(
      "SELECT \(columns) FROM tags WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    var found: [String: StoredTag] = [:]
    for row in rows {
      let tag = try StoredTag(row)
      found[tag.tag.key] = tag
    }
    return found
  }

  static func list(
    _ page: PageRequest, category: String?, in db: any Queryable
  ) throws -> [StoredTag] {
    try db.query(
      """
      SELECT \(columns) FROM tags
      WHERE archived_at IS NULL AND key > \(page.after?.values[0] ?? "")
        AND (\(category)::text IS NULL OR category = \(category))
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(StoredTag.init)
  }

  /// Serialises changes of one key for the rest of the transaction; the row need not exist.
  static func lock(_ key: String, in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('tag:' || \(key)))")
  }

  /// Inserts, changes or revives; the new version.
  static func save(_ tag: Tag, now: Date, in tx: Transaction) throws -> StoredTag {
    let choices = tag.choices.map { JSONB(.array($0.map(JSONValue.string))) }
    let row = try tx.one(
      """
      INSERT INTO tags (key, name, category, type, choices, rule, ttl_seconds, created_at,
        updated_at)
      VALUES (\(tag.key), \(tag.name), \(tag.category.rawValue), \(tag.type.rawValue),
        \(choices), \(tag.rule.map { JSONB($0) }), \(tag.ttl?.seconds), \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET name = excluded.name, category = excluded.category,
        type = excluded.type, choices = excluded.choices, rule = excluded.rule,
        ttl_seconds = excluded.ttl_seconds, updated_at = excluded.updated_at,
        version = tags.version + 1, archived_at = NULL
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The tag was not stored.") }
    return try StoredTag(row)
  }

  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE tags SET archived_at = \(now) WHERE key = \(key)")
  }

  static func isInUse(_ key: String, in db: any Queryable) throws -> Bool {
    try db.one("SELECT 1 FROM user_tags WHERE tag = \(key) LIMIT 1") != nil
  }

  static func delete(_ key: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM tags WHERE key = \(key)")
  }

  /// Sets one tag on many users. `created_at` of those who have it stays.
  static func assign(
    _ key: String, value: JSONValue, users: [UUID], source: String, expiresAt: Date?, now: Date,
    in tx: Transaction
  ) throws {
    // Sorted by the caller's contract with other writers of user_tags: no crossing locks.
    try tx.execute(
      """
      INSERT INTO user_tags (user_id, tag, value, source, created_at, updated_at, expires_at)
      SELECT u, \(key), \(JSONB(value)), \(source), \(now), \(now), \(expiresAt)
      FROM unnest(\(users.sorted { $0.text < $1.text })) AS u
      ON CONFLICT (user_id, tag) DO UPDATE SET value = excluded.value, source = excluded.source,
        updated_at = excluded.updated_at, expires_at = excluded.expires_at
      """)
  }

  static func remove(_ key: String, users: [UUID], in tx: Transaction) throws -> Int {
    try tx.execute("DELETE FROM user_tags WHERE tag = \(key) AND user_id = ANY(\(users))")
  }
}

extension StoredTag {
  init(_ row: Row) throws {
    let choices = try row.optionalJSON("choices")?.arrayValue?.compactMap(\.stringValue)
    tag = Tag(
      key: try row.get("key"), name: try row.get("name"),
      category: Tag.Category(rawValue: try row.get("category")) ?? .custom,
      type: Tag.Kind(rawValue: try row.get("type")) ?? .flag, choices: choices,
      rule: try row.optionalJSON("rule"),
      ttl: try row.get("ttl_seconds", as: Int?.self).flatMap(TimeSpan.init(seconds:)))
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
