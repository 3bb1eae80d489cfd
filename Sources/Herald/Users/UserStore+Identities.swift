import Foundation
import Postgres

extension UserStore {
  /// Several identities of one user, as an event or upsert names them; not empty.
  typealias IdentitySet = [Identity]

  /// The users named, in order; nil for unknown and erased ones. Follows aliases of merged users.
  static func resolve(_ refs: [UserRef], in db: any Queryable) throws -> [UUID?] {
    var identities: Set<Identity> = []
    var ids: Set<UUID> = []
    for ref in refs {
      switch ref {
      case .id(let id): ids.insert(id)
      case .identity(let identity): identities.insert(identity)
      }
    }
    let owners = identities.isEmpty ? [:] : try owners(of: identities.sorted(), in: db)
    let known = ids.isEmpty ? [:] : try standing(Array(ids), in: db)
    return refs.map { ref in
      switch ref {
      case .id(let id): known[id]
      case .identity(let identity): owners[identity]
      }
    }
  }

  /// Finds or makes the user of each claim, never failing on conflicting ones: see
  /// `IdentityResolution`. New users have no attributes yet. Deadlock-free among its own kind.
  static func resolveOrCreate(
    _ claims: [IdentityResolution.Claim], by caller: Caller = .herald, now: Date,
    in tx: Transaction
  ) throws -> [ResolvedUser] {
    let claimed = try IdentityClaims.resolve(claims, .lenient, by: caller, now: now, in: tx)
    try insertBare(claimed.created, now: now, in: tx)
    return try claimed.results.map { result in
      guard case .user(let id, _) = result.outcome else {
        throw HeraldError(.unexpected, "A lenient claim was refused.")
      }
      return ResolvedUser(id: id, origin: result.origin)
    }
  }
}

// MARK: - SQL

extension UserStore {
  static func owners(
    of identities: [Identity], in db: any Queryable
  ) throws -> [Identity: UUID] {
    try IdentityStore.owners(of: identities, in: db).mapValues(\.user)
  }

  /// Id asked for to id that stands for it now.
  static func standing(_ ids: [UUID], in db: any Queryable) throws -> [UUID: UUID] {
    let rows = try db.query(
      """
      SELECT n.id, u.id AS user_id FROM unnest(\(ids)) AS n (id)
      LEFT JOIN user_aliases a ON a.alias_id = n.id
      JOIN users u ON u.id = coalesce(a.user_id, n.id)
      WHERE u.erased_at IS NULL
      """)
    var known: [UUID: UUID] = [:]
    for row in rows { known[try row.get(0)] = try row.get(1) }
    return known
  }

  /// Of those merged into somebody: who that is.
  static func merged(_ ids: [UUID], in db: any Queryable) throws -> [UUID: UUID] {
    var standing: [UUID: UUID] = [:]
    for row in try db.query(
      "SELECT alias_id, user_id FROM user_aliases WHERE alias_id = ANY(\(ids))")
    {
      standing[try row.get(0)] = try row.get(1)
    }
    return standing
  }

  /// The user's own id and those merged into it.
  static func ids(of user: UUID, in db: any Queryable) throws -> [UUID] {
    let rows = try db.query("SELECT alias_id FROM user_aliases WHERE user_id = \(user)")
    return try [user] + rows.map { try $0.get(0) }
  }

  static func insertBare(_ ids: [UUID], now: Date, in tx: Transaction) throws {
    guard !ids.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO users (id, created_at, updated_at)
      SELECT id, \(now), \(now) FROM unnest(\(ids)) AS id
      """)
  }
}
