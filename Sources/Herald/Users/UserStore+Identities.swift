import Cryptography
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

  /// Finds or makes the user of each set, never failing on conflicting claims: see
  /// `IdentityResolution`. New users have no attributes yet. Deadlock-free among its own kind.
  static func resolveOrCreate(
    _ sets: [IdentitySet], now: Date, in tx: Transaction
  ) throws -> [UUID] {
    let claims = sets.map { IdentityResolution.Claim(identities: $0) }
    let (outcomes, created) = try claim(claims, .lenient, now: now, in: tx)
    try insertBare(created, now: now, in: tx)
    return try outcomes.map { outcome in
      guard case .user(let id, _) = outcome else {
        throw HeraldError(.unexpected, "A lenient claim was refused.")
      }
      return id
    }
  }

  /// Binds identities by `IdentityResolution`. The rows of the users it made up (`created`) are the
  /// caller's to insert.
  static func claim(
    _ claims: [IdentityResolution.Claim], _ mode: IdentityResolution.Mode, now: Date,
    in tx: Transaction
  ) throws -> (outcomes: [IdentityResolution.Outcome], created: [UUID]) {
    let identities = Set(claims.lazy.map(\.identities).joined()).sorted()
    for _ in 0..<5 {
      let owners = try owners(of: identities, in: tx)
      var resolution = IdentityResolution(
        owners: owners, anchors: try anchors(of: claims, owners, in: tx))
      let outcomes = claims.map { claim in
        resolution.resolve(claim, mode) { UUIDv7.next(now: now) }
      }
      if try write(resolution, now: now, in: tx) { return (outcomes, resolution.created) }
      // Somebody else was faster; what they did is visible to the next statement.
    }
    throw HeraldError(
      .unavailable, "Others claim the same identities at once; send the request again.",
      retryAfter: 1)
  }

  /// The anchors of every owner, needed only where a set could bind or move something.
  private static func anchors(
    of claims: [IdentityResolution.Claim], _ owners: [Identity: UUID], in tx: Transaction
  ) throws -> [UUID: [Identity]] {
    let isSimple = claims.allSatisfy { $0.identities.count + ($0.target == nil ? 0 : 1) < 2 }
    let users = Set(owners.values).union(claims.compactMap(\.target))
    return isSimple || users.isEmpty ? [:] : try anchors(of: Array(users), in: tx)
  }

  /// False, with nothing written, when another transaction got in between.
  private static func write(
    _ resolution: IdentityResolution, now: Date, in tx: Transaction
  ) throws -> Bool {
    let bound = resolution.bound.sorted { $0.key < $1.key }
    guard try mayAnchor(bound, resolution.created, in: tx) else { return false }
    guard !resolution.moves.isEmpty else {
      if try bind(bound, now: now, in: tx) == bound.count { return true }
      try unbind(bound, in: tx)
      return false
    }
    struct Raced: Error {}
    let moves = resolution.moves.values.sorted { $0.identity < $1.identity }
    do {
      try tx.savepoint {
        guard try bind(bound, now: now, in: tx) == bound.count,
          try move(moves, now: now, in: tx) == moves.count
        else { throw Raced() }
      }
      return true
    } catch is Raced {
      return false
    }
  }

  /// Whether nobody has meanwhile given an existing user an external_id or unionid of which it can
  /// have only one. Locks the users that get one.
  private static func mayAnchor(
    _ bound: [(key: Identity, value: UUID)], _ created: [UUID], in tx: Transaction
  ) throws -> Bool {
    let created = Set(created)
    let given = bound.filter { $0.key.kind.isAnchor && !created.contains($0.value) }
    guard !given.isEmpty else { return true }
    try lock(given.map(\.value), in: tx)
    let anchors = try anchors(of: given.map(\.value), in: tx)
    return !given.contains { identity, user in
      anchors[user]?.contains { $0.kind == identity.kind } ?? false
    }
  }
}

// MARK: - SQL

extension UserStore {
  static func owners(
    of identities: [Identity], in db: any Queryable
  ) throws -> [Identity: UUID] {
    let rows = try db.query(
      """
      SELECT i.kind, i.value, i.user_id
      FROM unnest(\(identities.map(\.kind.key)), \(identities.map(\.value))) AS n (kind, value)
      JOIN identities i ON i.kind = n.kind AND i.value = n.value
      """)
    var owners: [Identity: UUID] = [:]
    owners.reserveCapacity(rows.count)
    for row in rows {
      guard let identity = try Identity(row) else { continue }
      owners[identity] = try row.get(2)
    }
    return owners
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

  private static func anchors(
    of users: [UUID], in db: any Queryable
  ) throws -> [UUID: [Identity]] {
    let kinds = IdentityKind.all.filter(\.isAnchor).map(\.key)
    let rows = try db.query(
      """
      SELECT kind, value, user_id FROM identities
      WHERE user_id = ANY(\(users)) AND kind = ANY(\(kinds))
      """)
    var anchors: [UUID: [Identity]] = [:]
    for row in rows {
      guard let identity = try Identity(row) else { continue }
      anchors[try row.get(2), default: []].append(identity)
    }
    return anchors
  }

  /// Waits for whoever is inserting the same keys. How many of them became ours.
  private static func bind(
    _ bound: [(key: Identity, value: UUID)], now: Date, in tx: Transaction
  ) throws -> Int {
    guard !bound.isEmpty else { return 0 }
    // In the order of the key, so that two writers never wait for each other.
    return try tx.execute(
      """
      INSERT INTO identities (kind, value, user_id, created_at)
      SELECT kind, value, user_id, \(now)
      FROM unnest(\(bound.map(\.key.kind.key)), \(bound.map(\.key.value)), \(bound.map(\.value)))
        WITH ORDINALITY AS n (kind, value, user_id, position)
      ORDER BY position
      ON CONFLICT (kind, value) DO NOTHING
      """)
  }

  private static func unbind(_ bound: [(key: Identity, value: UUID)], in tx: Transaction) throws {
    try tx.execute(
      """
      DELETE FROM identities i
      USING unnest(\(bound.map(\.key.kind.key)), \(bound.map(\.key.value)), \(bound.map(\.value)))
        AS n (kind, value, user_id)
      WHERE i.kind = n.kind AND i.value = n.value AND i.user_id = n.user_id
      """)
  }

  /// How many were still with whom they were to leave.
  private static func move(
    _ moves: [IdentityResolution.Move], now: Date, in tx: Transaction
  ) throws -> Int {
    guard !moves.isEmpty else { return 0 }
    return try tx.execute(
      """
      WITH n AS (
        SELECT * FROM unnest(\(moves.map(\.identity.kind.key)), \(moves.map(\.identity.value)),
          \(moves.map(\.from)), \(moves.map(\.to))) AS n (kind, value, former, owner)
      ), moved AS (
        UPDATE identities i SET user_id = n.owner, created_at = \(now) FROM n
        WHERE i.kind = n.kind AND i.value = n.value AND i.user_id = n.former
        RETURNING i.kind, i.value, n.former, n.owner
      ), history AS (
        INSERT INTO identity_history (user_id, kind, value, at, change)
        SELECT former, kind, value, \(now), 'moved_away' FROM moved
        UNION ALL SELECT owner, kind, value, \(now), 'bound' FROM moved
        ON CONFLICT DO NOTHING
      )
      SELECT FROM moved
      """)
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

extension Identity {
  /// From columns `kind` and `value`; nil for a kind that this program does not know.
  init?(_ row: Row) throws {
    guard let kind = IdentityKind.named(try row.get("kind")) else { return nil }
    self.init(kind: kind, value: try row.get("value"))
  }
}
