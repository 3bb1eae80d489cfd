import Foundation
import JSON
import Postgres

enum UserFactsStore {
  /// The users must be locked.
  static func load(_ users: [UUID], in tx: Transaction) throws -> [UUID: UserFacts] {
    let rows = try tx.query(
      """
      SELECT u.id, jsonb_build_object('user', to_jsonb(u),
        'tags', (SELECT jsonb_object_agg(t.tag, to_jsonb(t) - 'user_id')
          FROM user_tags t WHERE t.user_id = u.id),
        'consents', (SELECT jsonb_object_agg(
            c.channel || '/' || c.subscription_group, to_jsonb(c) - 'user_id')
          FROM consents c WHERE c.user_id = u.id),
        'devices', (SELECT jsonb_object_agg(
            d.provider || '/' || d.token, to_jsonb(d) - 'user_id')
          FROM devices d WHERE d.user_id = u.id)) AS facts
      FROM users u WHERE u.id = ANY(\(users))
      """)
    var facts: [UUID: UserFacts] = [:]
    for row in rows { facts[try row.get("id")] = UserFacts(try row.json("facts")) }
    return facts
  }

  /// Makes the user's rows what the facts say; a user without a row gets one. `known`: what they say
  /// now, where that is known; tables with nothing to change are left alone.
  static func write(
    _ facts: UserFacts, of user: UUID, over known: UserFacts?, now: Date, in tx: Transaction
  ) throws {
    var row = facts.user
    row["id"] = .id(user)
    row["updated_at"] = .instant(now)
    row["version"] = .int((row["version"]?.intValue ?? 0) + 1)
    try tx.execute(
      """
      INSERT INTO users SELECT * FROM jsonb_populate_record(NULL::users, \(JSONB(.object(row))))
      ON CONFLICT (id) DO UPDATE SET attributes = excluded.attributes,
        attribute_times = excluded.attribute_times, time_zone = excluded.time_zone,
        locale = excluded.locale, first_seen = excluded.first_seen,
        last_seen = excluded.last_seen, updated_at = \(now),
        version = users.version + 1
      """)
    for (table, place) in tables {
      let rows = facts[keyPath: place]
      if let known, known[keyPath: place] == rows { continue }
      try tx.execute("DELETE FROM \(identifier: table) WHERE user_id = \(user)")
      guard !rows.isEmpty else { continue }
      let whole = rows.members.map { member -> JSONValue in
        var row = member.value.objectValue ?? [:]
        row["user_id"] = .id(user)
        return .object(row)
      }
      try tx.execute(
        """
        INSERT INTO \(identifier: table) SELECT * FROM jsonb_populate_recordset(
          NULL::\(identifier: table), \(JSONB(.array(whole))))
        """)
    }
  }

  /// What is left of a user that another stands for: nothing but rows of what happened to them.
  /// `known`: what the rows say.
  static func delete(_ user: UUID, _ known: UserFacts, in tx: Transaction) throws {
    for (table, place) in tables where !known[keyPath: place].isEmpty {
      try tx.execute("DELETE FROM \(identifier: table) WHERE user_id = \(user)")
    }
    try tx.execute("DELETE FROM users WHERE id = \(user)")
  }

  private static var tables: [(String, KeyPath<UserFacts, JSONObject>)] {
    [("user_tags", \.tags), ("consents", \.consents), ("devices", \.devices)]
  }
}

/// What each of the users that became one is known by.
enum UserPartStore {
  /// By user, then by origin; nothing for those who were never merged.
  static func load(_ users: [UUID], in db: any Queryable) throws -> [UUID: [UUID: UserFacts]] {
    let rows = try db.query(
      "SELECT user_id, origin, facts FROM user_parts WHERE user_id = ANY(\(users))")
    var parts: [UUID: [UUID: UserFacts]] = [:]
    for row in rows {
      parts[try row.get("user_id"), default: [:]][try row.get("origin")] =
        UserFacts(try row.json("facts"))
    }
    return parts
  }

  static func merged(among users: [UUID], in db: any Queryable) throws -> [UUID] {
    try db.query("SELECT DISTINCT user_id FROM user_parts WHERE user_id = ANY(\(users))")
      .map { try $0.get(0) }
  }

  /// The user's parts become these. `known`: those there are, where that is known.
  static func save(
    _ parts: [UUID: UserFacts], of user: UUID, over known: [UUID: UserFacts]? = nil,
    in tx: Transaction
  ) throws {
    if known?.isEmpty != true {
      try tx.execute("DELETE FROM user_parts WHERE user_id = \(user)")
    }
    let sorted = parts.sorted { $0.key < $1.key }
    guard !sorted.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO user_parts (user_id, origin, facts)
      SELECT \(user), origin, facts
      FROM unnest(\(sorted.map(\.key)), \(sorted.map { JSONB($0.value.json) })) AS n (origin, facts)
      """)
  }
}
