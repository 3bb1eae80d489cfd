import Foundation
import Postgres

/// The rows of `identities`, and what resolution reads beside them.
enum IdentityStore {
  typealias Owner = IdentityResolution.Owner

  static func owners(
    of identities: [Identity], in db: any Queryable
  ) throws -> [Identity: Owner] {
    let rows = try db.query(
      """
      SELECT i.kind, i.value, i.user_id, coalesce(i.origin, i.user_id) AS origin
      FROM unnest(\(identities.map(\.kind.key)), \(identities.map(\.value))) AS n (kind, value)
      JOIN identities i ON i.kind = n.kind AND i.value = n.value
      """)
    var owners: [Identity: Owner] = [:]
    owners.reserveCapacity(rows.count)
    for row in rows {
      owners[try Identity(row)] = Owner(user: try row.get(2), origin: try row.get(3))
    }
    return owners
  }

  /// The user a reference leads to before any merge: what is written by it is theirs after an undo.
  static func origin(of ref: UserRef, in db: any Queryable) throws -> UUID? {
    switch ref {
    case .id(let id): id
    case .identity(let identity): try owners(of: [identity], in: db)[identity]?.origin
    }
  }

  /// The same of many; nil for the unknown.
  static func origins(of refs: [UserRef], in db: any Queryable) throws -> [UUID?] {
    let identities = Set(
      refs.compactMap { if case .identity(let identity) = $0 { identity } else { nil } })
    let owners = identities.isEmpty ? [:] : try owners(of: identities.sorted(), in: db)
    return refs.map { ref in
      switch ref {
      case .id(let id): id
      case .identity(let identity): owners[identity]?.origin
      }
    }
  }

  /// What resolution needs of these users. Of kinds that say less than the weightiest shared one,
  /// one value stands for all.
  static func people(
    _ users: [UUID], kinds: [IdentityKind], in db: any Queryable
  ) throws -> [UUID: Person] {
    let floor = kinds.filter { $0.onConflict == .share }.map(\.priority).max() ?? -1
    let weak = kinds.filter { !$0.separates && $0.priority <= floor }.map(\.key)
    let rows = try db.query(
      """
      SELECT u.id AS user_id, u.created_at, i.kind, i.value FROM users u
      LEFT JOIN LATERAL (
        SELECT kind, value FROM identities WHERE user_id = u.id AND kind <> ALL(\(weak))
        UNION ALL
        (SELECT DISTINCT ON (kind) kind, value FROM identities
          WHERE user_id = u.id AND kind = ANY(\(weak)))
      ) i ON true
      WHERE u.id = ANY(\(users))
      """)
    var people: [UUID: Person] = [:]
    for row in rows {
      let id: UUID = try row.get("user_id")
      if people[id] == nil { people[id] = Person(createdAt: try row.get("created_at")) }
      guard let key = try row.get("kind", as: String?.self) else { continue }
      people[id]?.add(
        Identity(
          kind: kinds.first { $0.key.utf8.elementsEqual(key.utf8) } ?? .undeclared(key),
          value: try row.get("value")))
    }
    return people
  }

  /// Pairs that a person told apart, by the users that stand for them now.
  static func separations(
    among users: [UUID], in db: any Queryable
  ) throws -> Set<UserPair> {
    let rows = try db.query(
      """
      WITH named AS (
        SELECT id FROM unnest(\(users)) AS id
        UNION SELECT alias_id FROM user_aliases WHERE user_id = ANY(\(users))
      )
      SELECT coalesce(a.user_id, s.one_id) AS one, coalesce(b.user_id, s.other_id) AS other
      FROM user_separations s
      LEFT JOIN user_aliases a ON a.alias_id = s.one_id
      LEFT JOIN user_aliases b ON b.alias_id = s.other_id
      WHERE s.one_id IN (SELECT id FROM named) AND s.other_id IN (SELECT id FROM named)
      """)
    return Set(try rows.map { UserPair(try $0.get("one"), try $0.get("other")) })
  }

  /// Waits for whoever is inserting the same keys. How many of them became ours.
  static func bind(
    _ bound: [(key: Identity, value: Owner)], now: Date, in tx: Transaction
  ) throws -> Int {
    guard !bound.isEmpty else { return 0 }
    // In the order of the key, so that two writers never wait for each other.
    return try tx.execute(
      """
      INSERT INTO identities (kind, value, user_id, created_at, origin)
      SELECT kind, value, user_id, \(now), nullif(origin, user_id)
      FROM unnest(\(bound.map(\.key.kind.key)), \(bound.map(\.key.value)),
        \(bound.map(\.value.user)), \(bound.map(\.value.origin)))
        WITH ORDINALITY AS n (kind, value, user_id, origin, position)
      ORDER BY position
      ON CONFLICT (kind, value) DO NOTHING
      """)
  }

  static func move(
    _ moves: [IdentityResolution.Move], now: Date, in tx: Transaction
  ) throws {
    guard !moves.isEmpty else { return }
    try tx.execute(
      """
      WITH n AS (
        SELECT * FROM unnest(\(moves.map(\.identity.kind.key)), \(moves.map(\.identity.value)),
          \(moves.map(\.from)), \(moves.map(\.to.user)), \(moves.map(\.to.origin)))
          AS n (kind, value, former, owner, origin)
      ), moved AS (
        UPDATE identities i SET user_id = n.owner, origin = nullif(n.origin, n.owner),
          created_at = \(now) FROM n
        WHERE i.kind = n.kind AND i.value = n.value
        RETURNING i.kind, i.value, n.former, n.owner
      )
      INSERT INTO identity_history (user_id, kind, value, at, change)
      SELECT former, kind, value, \(now), 'moved_away' FROM moved
      UNION ALL SELECT owner, kind, value, \(now), 'bound' FROM moved
      ON CONFLICT DO NOTHING
      """)
  }
}

extension Identity {
  /// From columns `kind` and `value`.
  init(_ row: Row) throws {
    let key: String = try row.get("kind")
    self.init(kind: IdentityKind.named(key) ?? .undeclared(key), value: try row.get("value"))
  }
}

extension IdentityKind {
  /// One that was declared by another process a moment ago.
  static func undeclared(_ key: String) -> IdentityKind {
    IdentityKind(key: key, priority: 0, multiple: true, onConflict: .move)
  }
}
