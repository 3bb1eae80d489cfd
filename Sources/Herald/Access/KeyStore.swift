import Foundation
import Conditions
import JSON
import Postgres

/// A key as stored: its secret only as SHA-256.
public struct APIKey: Sendable {
  public let id: UUID
  /// The first characters of the secret, to tell keys apart.
  public let prefix: String
  public let name: String
  public let role: Role
  public let principal: String
  public let userScope: JSONValue?
  public let createdByPrincipal: String?
  public let createdAt: Date
  public let expiresAt: Date?
  public let revokedAt: Date?

  init(_ row: Row) throws {
    id = try row.get("id")
    prefix = try row.get("prefix")
    name = try row.get("name")
    role = Role(rawValue: try row.get("role")) ?? .ingest
    principal = try row.get("principal")
    userScope = try row.optionalJSON("user_scope")
    createdByPrincipal = try row.get("created_by_principal")
    createdAt = try row.get("created_at")
    expiresAt = try row.get("expires_at")
    revokedAt = try row.get("revoked_at")
  }
}

enum KeyStore {
  /// Another principal that people would take for this one: by letter case or by compatible forms.
  /// Nil for one that is there already.
  static func likeness(of principal: String, in tx: Transaction) throws -> String? {
    try tx.one(
      """
      SELECT principal FROM api_keys
      WHERE lower(normalize(principal, NFKC)) = lower(normalize(\(principal), NFKC))
        AND NOT EXISTS (SELECT FROM api_keys WHERE principal = \(principal))
      LIMIT 1
      """)?.get("principal")
  }

  private static let columns: SQL = """
    id, prefix, name, role, principal, user_scope, created_by_principal, created_at, expires_at,
    revoked_at
    """

  /// Of the keys that are not revoked.
  static func scopes(in db: any Queryable) throws -> [Condition] {
    try db.query(
      """
      SELECT DISTINCT user_scope FROM api_keys
      WHERE user_scope IS NOT NULL AND revoked_at IS NULL
      """
    ).map { try Condition.stored($0.json("user_scope")) }
  }

  static func find(hash: [UInt8], in db: any Queryable) throws -> APIKey? {
    try db.one("SELECT \(columns) FROM api_keys WHERE hash = \(Bytea(hash))").map(APIKey.init)
  }

  static func load(_ id: UUID, in db: any Queryable) throws -> APIKey {
    guard let row = try db.one("SELECT \(columns) FROM api_keys WHERE id = \(id)") else {
      throw HeraldError.notFound("key", id.text)
    }
    return try APIKey(row)
  }

  static func insert(
    _ id: UUID, hash: [UInt8], prefix: String, _ key: NewKey, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO api_keys (id, hash, prefix, name, role, principal, created_by_principal,
        created_by_key, user_scope, created_at, expires_at)
      VALUES (\(id), \(Bytea(hash)), \(prefix), \(key.name), \(key.role.rawValue),
        \(key.principal), \(caller.principal), \(caller.keyID),
        \(key.userScope.map { JSONB($0.json) }), \(now), \(key.expiresAt))
      """)
  }

  /// False when there is no such key or it is revoked already.
  static func revoke(_ id: UUID, now: Date, in tx: Transaction) throws -> Bool {
    try tx.execute(
      "UPDATE api_keys SET revoked_at = \(now) WHERE id = \(id) AND revoked_at IS NULL") == 1
  }

  static func list(_ page: PageRequest, in db: any Queryable) throws -> [APIKey] {
    let after = page.after?.values.first.flatMap(UUID.init(uuidString:))
    return try db.query(
      """
      SELECT \(columns) FROM api_keys WHERE (\(after)::uuid IS NULL OR id > \(after))
      ORDER BY id LIMIT \(page.limit + 1)
      """
    ).map(APIKey.init)
  }

  static func isEmpty(in db: any Queryable) throws -> Bool {
    try db.one("SELECT 1 FROM api_keys LIMIT 1") == nil
  }
}
