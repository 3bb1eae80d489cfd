import Foundation
import JSON
import Postgres

enum SourceStore {
  private static let columns: SQL = "key, config, secret, version, created_at, updated_at"

  /// Nil when unknown or archived.
  static func find(_ key: String, in db: any Queryable) throws -> StoredSource? {
    try db.one("SELECT \(columns) FROM sources WHERE key = \(key) AND archived_at IS NULL")
      .map(StoredSource.init)
  }

  static func load(_ key: String, in db: any Queryable) throws -> StoredSource {
    guard let source = try find(key, in: db) else { throw HeraldError.notFound("source", key) }
    return source
  }

  static func list(_ page: PageRequest, in db: any Queryable) throws -> [StoredSource] {
    try db.query(
      """
      SELECT \(columns) FROM sources
      WHERE archived_at IS NULL AND key > \(page.after?.values[0] ?? "")
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(StoredSource.init)
  }

  /// Serialises changes of one key for the rest of the transaction; the row need not exist.
  static func lock(_ key: String, in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('source:' || \(key)))")
  }

  /// Inserts, changes or revives.
  static func save(
    _ source: Source, secret: [UInt8]?, now: Date, in tx: Transaction
  ) throws -> StoredSource {
    let row = try tx.one(
      """
      INSERT INTO sources AS s (key, config, secret, created_at, updated_at)
      VALUES (\(source.key), \(JSONB(.object(source.config))), \(secret.map { Bytea($0) }),
        \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET config = excluded.config, secret = excluded.secret,
        updated_at = excluded.updated_at, version = s.version + 1, archived_at = NULL
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The source was not stored.") }
    return try StoredSource(row)
  }

  /// The row stays, because events name it; its secrets go.
  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE sources SET archived_at = \(now), updated_at = \(now), secret = NULL,
        version = version + 1
      WHERE key = \(key) AND archived_at IS NULL
      """)
  }
}

extension StoredSource {
  fileprivate init(_ row: Row) throws {
    let key: String = try row.get("key")
    let faults = Faults()
    // What was private when it was saved stays readable; the client refuses to go there.
    guard let reader = ObjectReader(try row.json("config"), faults: faults),
      let draft = SourceDraft(key: key, reader, allowPrivate: true)
    else { throw HeraldError(.unexpected, "Source '\(key)' holds what this version cannot read.") }
    source = draft.source
    sealedSecrets = try row.get("secret", as: Bytea?.self)?.bytes
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
