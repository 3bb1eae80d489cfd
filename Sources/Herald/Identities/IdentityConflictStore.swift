import Cryptography
import Foundation
import JSON
import Postgres

enum IdentityConflictStore {
  /// One open row for each pair; those that are open already count on.
  static func open(
    _ conflicts: [IdentityResolution.Conflict], now: Date, in tx: Transaction
  ) throws {
    guard !conflicts.isEmpty else { return }
    var byPair: [UserPair: IdentityResolution.Conflict] = [:]
    for conflict in conflicts where byPair[conflict.pair] == nil {
      byPair[conflict.pair] = conflict
    }
    let sorted = byPair.values.sorted {
      ($0.pair.one.text, $0.pair.other.text) < ($1.pair.one.text, $1.pair.other.text)
    }
    try tx.execute(
      """
      INSERT INTO identity_conflicts AS c (id, one_id, other_id, state, kind, identities,
        opened_at, last_seen_at)
      SELECT id, one_id, other_id, 'open', kind, identities, \(now), \(now)
      FROM unnest(\(sorted.map { _ in UUIDv7.next(now: now) }), \(sorted.map(\.pair.one)),
        \(sorted.map(\.pair.other)), \(sorted.map(\.kind.key)),
        \(sorted.map { JSONB($0.identitiesJSON) }))
        WITH ORDINALITY AS n (id, one_id, other_id, kind, identities, position)
      ORDER BY position
      ON CONFLICT (one_id, other_id) WHERE state = 'open' DO UPDATE
        SET seen = c.seen + 1, last_seen_at = excluded.last_seen_at
      """)
  }

  static func lock(_ id: UUID, in tx: Transaction) throws -> IdentityConflict {
    guard
      let row = try tx.one(
        "SELECT \(columns) FROM identity_conflicts c WHERE id = \(id) FOR UPDATE")
    else { throw HeraldError.notFound("conflict", id.text) }
    return try IdentityConflict(row)
  }

  static func resolve(
    _ id: UUID, _ state: IdentityConflict.State, comment: String?, by principal: String, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE identity_conflicts SET state = \(state.rawValue), resolved_by = \(principal),
        resolved_at = \(now), comment = \(comment)
      WHERE id = \(id)
      """)
  }

  /// Newest first. `visible`: a boolean over the alias `c`.
  static func list(
    _ page: PageRequest, state: String?, visible: SQL, in db: any Queryable
  ) throws -> [IdentityConflict] {
    let before = page.after?.values.first.flatMap(UUID.init(uuidString:))
    let statement: SQL = """
      SELECT \(columns) FROM identity_conflicts c
      WHERE (\(before)::uuid IS NULL OR c.id < \(before))
        AND (\(state)::text IS NULL OR c.state = \(state)) AND (\(visible))
      ORDER BY c.id DESC LIMIT \(page.limit + 1)
      """
    return try db.query(statement.unprepared()).map(IdentityConflict.init)
  }

  private static let columns: SQL = """
    c.id, c.one_id, c.other_id, c.state, c.kind, c.identities, c.seen, c.opened_at,
    c.last_seen_at, c.resolved_by, c.resolved_at, c.comment
    """
}

extension IdentityConflict {
  fileprivate init(_ row: Row) throws {
    id = try row.get("id")
    pair = UserPair(try row.get("one_id"), try row.get("other_id"))
    state = State(rawValue: try row.get("state")) ?? .open
    kind = try row.get("kind")
    identities = try row.json("identities")
    seen = try row.get("seen")
    openedAt = try row.get("opened_at")
    lastSeenAt = try row.get("last_seen_at")
    resolvedBy = try row.get("resolved_by")
    resolvedAt = try row.get("resolved_at")
    comment = try row.get("comment")
  }
}

extension IdentityResolution.Conflict {
  fileprivate var identitiesJSON: JSONValue {
    var json = JSONObject()
    for identity in identities {
      let values = json[identity.kind.key]?.arrayValue ?? []
      json[identity.kind.key] = .array(values + [.string(identity.value)])
    }
    return .object(json)
  }
}
