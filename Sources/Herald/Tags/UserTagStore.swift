import Foundation
import JSON
import Postgres

/// Tags on users.
enum UserTagStore {
  struct Assignment {
    let user: UUID
    let tag: String
    let value: JSONValue
    let expiresAt: Date?
  }

  /// `created_at` of tags that are there already stays; one that is so already is not written again:
  /// its index holds the value, so that every new version costs two entries. At most one assignment for each user and tag.
  static func assign(
    _ assignments: [Assignment], source: String, now: Date, in tx: Transaction
  ) throws {
    guard !assignments.isEmpty else { return }
    // In the order of the key, as all writers of user_tags do: no waiting in a circle.
    let sorted = assignments.sorted { ($0.user.text, $0.tag) < ($1.user.text, $1.tag) }
    try tx.execute(
      """
      INSERT INTO user_tags (user_id, tag, value, source, created_at, updated_at, expires_at)
      SELECT user_id, tag, value, \(source), \(now), \(now), expires_at
      FROM unnest(\(sorted.map(\.user)), \(sorted.map(\.tag)), \(sorted.map { JSONB($0.value) }),
        \(sorted.map(\.expiresAt))) AS n (user_id, tag, value, expires_at)
      ORDER BY user_id, tag
      ON CONFLICT (user_id, tag) DO UPDATE SET value = excluded.value, source = excluded.source,
        updated_at = excluded.updated_at, expires_at = excluded.expires_at
      WHERE (user_tags.value, user_tags.source, user_tags.expires_at)
        IS DISTINCT FROM (excluded.value, excluded.source, excluded.expires_at)
      """)
  }

  static func remove(_ tags: [(user: UUID, tag: String)], in tx: Transaction) throws {
    guard !tags.isEmpty else { return }
    try tx.execute(
      """
      DELETE FROM user_tags t USING unnest(\(tags.map(\.user)), \(tags.map(\.tag))) AS n (user_id, tag)
      WHERE t.user_id = n.user_id AND t.tag = n.tag
      """)
  }

  /// Nil when the user does not have the tag, or no longer.
  static func find(
    _ tag: String, of user: UUID, now: Date, in db: any Queryable
  ) throws -> UserTag? {
    try db.one(
      """
      SELECT tag, value, source, created_at, updated_at, expires_at FROM user_tags
      WHERE user_id = \(user) AND tag = \(tag) AND (expires_at IS NULL OR expires_at > \(now))
      """
    ).map(UserTag.init)
  }

  /// Those that have not expired, by key.
  static func list(of user: UUID, now: Date, in db: any Queryable) throws -> [UserTag] {
    try db.query(
      """
      SELECT tag, value, source, created_at, updated_at, expires_at FROM user_tags
      WHERE user_id = \(user) AND (expires_at IS NULL OR expires_at > \(now)) ORDER BY tag
      """
    ).map(UserTag.init)
  }
}

/// A tag as one user has it.
struct UserTag: Sendable {
  let tag: String
  let value: JSONValue
  let source: String
  let createdAt: Date
  let updatedAt: Date
  let expiresAt: Date?

  init(_ row: Row) throws {
    tag = try row.get("tag")
    value = try row.json("value")
    source = try row.get("source")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
    expiresAt = try row.get("expires_at")
  }
}
