import Foundation
import JSON
import Postgres

/// Entries are written in the change's own transaction and never changed; the runtime role cannot.
enum AuditStore {
  static func append(_ entry: AuditEntry, in tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO audit_entries (at, principal, key_id, action, subject_kind, subject, before,
        after, request_id)
      VALUES (\(entry.at), \(entry.principal), \(entry.keyID), \(entry.action),
        \(entry.subjectKind), \(entry.subject), \(entry.before.map { JSONB($0) }),
        \(entry.after.map { JSONB($0) }), \(entry.requestID))
      """)
  }

  static func list(
    _ page: PageRequest, subjectKind: String?, subject: String?, principal: String?,
    in db: any Queryable
  ) throws -> [JSONValue] {
    let before = page.after?.values.first.flatMap { Int($0) }
    // Newest first, by primary key.
    return try db.query(
      """
      SELECT e.id, e.at, e.principal, e.key_id, e.action, e.subject_kind, e.subject, e.before,
        e.after, e.request_id, encode(s.hash, 'hex') AS hash
      FROM audit_entries e LEFT JOIN audit_seals s ON s.entry_id = e.id
      WHERE (\(before)::bigint IS NULL OR e.id < \(before))
        AND (\(subjectKind)::text IS NULL OR e.subject_kind = \(subjectKind))
        AND (\(subject)::text IS NULL OR e.subject = \(subject))
        AND (\(principal)::text IS NULL OR e.principal = \(principal))
      ORDER BY e.id DESC LIMIT \(page.limit + 1)
      """
    ).map { row in
      [
        "id": .int(try row.get("id")), "at": .instant(try row.get("at", as: Date.self)),
        "principal": .string(try row.get("principal")),
        "key_id": .optional(try row.get("key_id", as: UUID?.self)?.text),
        "action": .string(try row.get("action")),
        "subject_kind": .string(try row.get("subject_kind")),
        "subject": .string(try row.get("subject")),
        "before": try row.optionalJSON("before") ?? .null,
        "after": try row.optionalJSON("after") ?? .null,
        "request_id": .optional(try row.get("request_id", as: String?.self)),
        "hash": .optional(try row.get("hash", as: String?.self)),
      ]
    }
  }

  /// Entries that are committed for good (behind every running transaction) and not yet sealed,
  /// in order, each with its digest. One that `cameLate` is left unsealed, for `verify` to find.
  static func unsealed(
    limit: Int, in tx: Transaction
  ) throws -> [(id: Int, digest: [UInt8])] {
    try tx.query(
      """
      SELECT e.id, herald_audit_digest(e) AS digest FROM audit_entries e
      WHERE e.xid < pg_snapshot_xmin(pg_current_snapshot())
        AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.entry_id = e.id)
        AND e.id > coalesce((SELECT max(entry_id) - 10000 FROM audit_seals), 0)
        AND NOT \(cameLate)
      ORDER BY e.id LIMIT \(limit)
      """
    ).map { (try $0.get("id"), try $0.get("digest", as: Bytea.self).bytes) }
  }

  static func head(in db: any Queryable) throws -> (position: Int, hash: [UInt8])? {
    try db.one("SELECT position, hash FROM audit_seals ORDER BY position DESC LIMIT 1").map {
      (try $0.get("position"), try $0.get("hash", as: Bytea.self).bytes)
    }
  }

  static func seal(_ seals: [(position: Int, entry: Int, hash: [UInt8])], in tx: Transaction) throws
  {
    try tx.execute(
      """
      INSERT INTO audit_seals (position, entry_id, hash)
      SELECT * FROM unnest(\(seals.map(\.position)), \(seals.map(\.entry)),
        \(seals.map { Bytea($0.hash) }))
      """)
  }

  /// The chain with each entry's digest as it is now; nil where the entry is gone.
  static func chain(
    after position: Int, limit: Int, in db: any Queryable
  ) throws -> [(position: Int, entry: Int, hash: [UInt8], digest: [UInt8]?)] {
    try db.query(
      """
      SELECT s.position, s.entry_id, s.hash,
        CASE WHEN e.id IS NOT NULL THEN herald_audit_digest(e) END AS digest
      FROM audit_seals s LEFT JOIN audit_entries e ON e.id = s.entry_id
      WHERE s.position > \(position) ORDER BY s.position LIMIT \(limit)
      """
    ).map {
      (
        try $0.get("position"), try $0.get("entry_id"), try $0.get("hash", as: Bytea.self).bytes,
        try $0.get("digest", as: Bytea?.self)?.bytes
      )
    }
  }

  /// An id below one that was sealed before this entry's transaction began: ids are drawn in the
  /// order of time, so it was put in afterwards.
  private static let cameLate: SQL = """
    EXISTS (SELECT FROM audit_seals l WHERE l.entry_id > e.id AND l.sealed_xid <= e.xid)
    """

  /// An entry that was never sealed although newer ones are: put in behind the chain's back.
  static func unsealedBehindHead(in db: any Queryable) throws -> Int? {
    try db.one(
      """
      SELECT e.id FROM audit_entries e
      WHERE e.xid < pg_snapshot_xmin(pg_current_snapshot())
        AND (e.at < clock_timestamp() - interval '1 minute' OR \(cameLate))
        AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.entry_id = e.id)
      ORDER BY e.id LIMIT 1
      """)?.get(0)
  }
}
