import Foundation
import Postgres

/// A kind as it is stored.
struct StoredIdentityKind: Sendable {
  let kind: IdentityKind
  let isBuiltIn: Bool
  let version: Int
}

enum IdentityKindStore {
  /// Highest priority first.
  static func list(in db: any Queryable) throws -> [StoredIdentityKind] {
    let rows = try db.query(
      """
      SELECT key, priority, multiple, on_conflict, built_in, version FROM identity_kinds
      ORDER BY priority DESC, key
      """)
    return try rows.map { row in
      StoredIdentityKind(
        kind: IdentityKind(
          key: try row.get("key"), priority: try row.get("priority"),
          multiple: try row.get("multiple"),
          onConflict: IdentityKind.ConflictRule(rawValue: try row.get("on_conflict")) ?? .conflict),
        isBuiltIn: try row.get("built_in"), version: try row.get("version"))
    }
  }

  static func save(_ kind: IdentityKind, in tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO identity_kinds AS k (key, priority, multiple, on_conflict)
      VALUES (\(kind.key), \(kind.priority)::integer, \(kind.multiple), \(kind.onConflict.rawValue))
      ON CONFLICT (key) DO UPDATE SET priority = excluded.priority, multiple = excluded.multiple,
        on_conflict = excluded.on_conflict, version = k.version + 1
      WHERE (k.priority, k.multiple, k.on_conflict)
        <> (excluded.priority, excluded.multiple, excluded.on_conflict)
      """)
  }

  /// A user with more than one value of the kind, if there is one.
  static func hasSeveral(_ key: String, in db: any Queryable) throws -> Bool {
    try db.one(
      """
      SELECT 1 FROM identities WHERE kind = \(key) GROUP BY user_id HAVING count(*) > 1 LIMIT 1
      """) != nil
  }
}
