import Foundation
import JSON
import Postgres

enum CapStore {
  private static let columns: SQL = "key, document, version, created_at, updated_at"

  static func find(_ key: String, in db: any Queryable) throws -> StoredCap? {
    try db.one("SELECT \(columns) FROM caps WHERE key = \(key)").map(StoredCap.init)
  }

  static func load(_ key: String, in db: any Queryable) throws -> StoredCap {
    guard let cap = try find(key, in: db) else { throw HeraldError.notFound("cap", key) }
    return cap
  }

  static func list(in db: any Queryable) throws -> [StoredCap] {
    try db.query("SELECT \(columns) FROM caps ORDER BY key").map(StoredCap.init)
  }

  /// Those in force, which stay in force to the end of the transaction.
  static func hold(in tx: Transaction) throws -> [Cap] {
    try tx.execute("LOCK TABLE caps IN ROW SHARE MODE")
    return try list(in: tx).map(\.cap)
  }

  /// Waits for batches that looked at the caps before and have not committed their hand-overs; no
  /// other begins meanwhile.
  static func lock(in tx: Transaction) throws {
    try tx.execute("LOCK TABLE caps IN EXCLUSIVE MODE")
  }

  static func save(_ cap: Cap, now: Date, in tx: Transaction) throws -> StoredCap {
    let row = try tx.one(
      """
      INSERT INTO caps (key, document, created_at, updated_at)
      VALUES (\(cap.key), \(JSONB(cap.json)), \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET document = excluded.document,
        updated_at = excluded.updated_at, version = caps.version + 1
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The cap was not stored.") }
    return try StoredCap(row)
  }

  static func delete(_ key: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM caps WHERE key = \(key)")
  }
}

extension StoredCap {
  fileprivate init(_ row: Row) throws {
    let key: String = try row.get("key")
    let faults = Faults()
    guard let reader = ObjectReader(try row.json("document"), faults: faults),
      let cap = Cap(key: key, reader), faults.isEmpty
    else { throw HeraldError(.unexpected, "The stored cap '\(key)' cannot be read.") }
    self.cap = cap
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
