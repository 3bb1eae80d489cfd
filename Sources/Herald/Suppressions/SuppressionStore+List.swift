import Foundation
import Postgres

extension SuppressionStore {
  static func find(_ id: Suppression.ID, in db: any Queryable) throws -> Suppression? {
    try db.one(
      """
      SELECT kind, value_hash, reason, created_at FROM suppressions
      WHERE kind = \(id.kind) AND value_hash = \(Bytea(id.hash))
      """
    ).flatMap { try Suppression($0) }
  }

  /// By kind and hash, the primary key.
  static func list(
    _ page: PageRequest, kind: String?, reason: String?, in db: any Queryable
  ) throws -> [Suppression] {
    let after = page.after.flatMap { try? Suppression.ID(text: $0.values[0]) }
    return try db.query(
      """
      SELECT kind, value_hash, reason, created_at FROM suppressions
      WHERE (\(kind)::text IS NULL OR kind = \(kind))
        AND (\(reason)::text IS NULL OR reason = \(reason))
        AND (\(after?.kind)::text IS NULL
          OR (kind, value_hash) > (\(after?.kind), \(after.map { Bytea($0.hash) })))
      ORDER BY kind, value_hash LIMIT \(page.limit + 1)
      """
    ).compactMap { try Suppression($0) }
  }

  /// Those that were not there before. What is there keeps its reason.
  static func insert(
    _ ids: [Suppression.ID], reason: Suppression.Reason, now: Date, in tx: Transaction
  ) throws -> Set<Suppression.ID> {
    // In the order of the key, so that two writers never wait for each other.
    let rows = try tx.query(
      """
      INSERT INTO suppressions (kind, value_hash, reason, created_at)
      SELECT DISTINCT kind, hash, \(reason.rawValue), \(now)
      FROM unnest(\(ids.map(\.kind)), \(ids.map { Bytea($0.hash) })) AS n (kind, hash)
      ORDER BY kind, hash
      ON CONFLICT (kind, value_hash) DO NOTHING
      RETURNING kind, value_hash
      """)
    return Set(
      try rows.map {
        Suppression.ID(kind: try $0.get(0), hash: try $0.get(1, as: Bytea.self).bytes)
      })
  }

  static func delete(_ id: Suppression.ID, in tx: Transaction) throws {
    try tx.execute(
      "DELETE FROM suppressions WHERE kind = \(id.kind) AND value_hash = \(Bytea(id.hash))")
  }
}

extension Suppression {
  /// Nil for a reason this program does not know.
  fileprivate init?(_ row: Row) throws {
    guard let reason = Reason(rawValue: try row.get("reason")) else { return nil }
    self.init(
      id: ID(kind: try row.get("kind"), hash: try row.get("value_hash", as: Bytea.self).bytes),
      reason: reason, createdAt: try row.get("created_at"))
  }
}
