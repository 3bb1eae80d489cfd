import Foundation
import JSON
import Postgres

enum TemplateStore {
  private static let columns: SQL = """
    key, channel, content, on_missing, version, created_at, updated_at
    """

  /// Nil when unknown or archived.
  static func find(_ key: String, in db: any Queryable) throws -> StoredTemplate? {
    try db.one("SELECT \(columns) FROM templates WHERE key = \(key) AND archived_at IS NULL")
      .map(StoredTemplate.init)
  }

  static func load(_ key: String, in db: any Queryable) throws -> StoredTemplate {
    guard let template = try find(key, in: db) else {
      throw HeraldError.notFound("template", key)
    }
    return template
  }

  /// By key, without those unknown or archived.
  static func find(_ keys: [String], in db: any Queryable) throws -> [String: StoredTemplate] {
    let rows = try db.query(
      "SELECT \(columns) FROM templates WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    var found: [String: StoredTemplate] = [:]
    for row in rows {
      let stored = try StoredTemplate(row)
      found[stored.template.key] = stored
    }
    return found
  }

  static func list(
    _ page: PageRequest, channel: String?, in db: any Queryable
  ) throws -> [StoredTemplate] {
    try db.query(
      """
      SELECT \(columns) FROM templates
      WHERE archived_at IS NULL AND key > \(page.after?.values[0] ?? "")
        AND (\(channel)::text IS NULL OR channel = \(channel))
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(StoredTemplate.init)
  }

  /// Serialises changes of one key for the rest of the transaction; the row need not exist.
  static func lock(_ key: String, in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('template:' || \(key)))")
  }

  /// Inserts, changes or revives; the new version.
  static func save(
    _ template: MessageTemplate, now: Date, in tx: Transaction
  ) throws -> StoredTemplate {
    let row = try tx.one(
      """
      INSERT INTO templates (key, channel, content, on_missing, created_at, updated_at)
      VALUES (\(template.key), \(template.channel.rawValue), \(JSONB(template.content)),
        \(template.onMissing.rawValue), \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET channel = excluded.channel, content = excluded.content,
        on_missing = excluded.on_missing, updated_at = excluded.updated_at,
        version = templates.version + 1, archived_at = NULL
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The template was not stored.") }
    return try StoredTemplate(row)
  }

  /// The row stays: drafts may name it, and its version goes on when the key is used again.
  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE templates SET archived_at = \(now) WHERE key = \(key)")
  }
}

extension StoredTemplate {
  init(_ row: Row) throws {
    let key: String = try row.get("key")
    guard let channel = Channel(rawValue: try row.get("channel")),
      let onMissing = MessageTemplate.OnMissing(rawValue: try row.get("on_missing"))
    else {
      throw HeraldError(.unexpected, "Template '\(key)' holds what this version cannot read.")
    }
    template = MessageTemplate(
      key: key, channel: channel, content: try row.json("content"), onMissing: onMissing)
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
