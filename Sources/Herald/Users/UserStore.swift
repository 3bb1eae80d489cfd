import Foundation
import JSON
import Postgres

/// The rows of `users`; identities are in `UserStore+Identities`.
enum UserStore {
  /// A user's row to be written: what is set, what is removed.
  struct RowChange {
    let id: UUID
    let change: UserChange
  }

  static func insert(_ rows: [RowChange], now: Date, in tx: Transaction) throws {
    guard !rows.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO users (id, attributes, time_zone, locale, created_at, updated_at)
      SELECT id, attributes, time_zone, locale, \(now), \(now)
      FROM unnest(\(rows.map(\.id)), \(rows.map { JSONB(.object($0.change.setAttributes)) }),
        \(rows.map(\.change.timeZone.value)), \(rows.map(\.change.locale.value)))
        AS n (id, attributes, time_zone, locale)
      """)
  }

  /// The rows must be locked. Those that would stay the same are left alone, version and all.
  static func update(_ rows: [RowChange], now: Date, in tx: Transaction) throws {
    guard !rows.isEmpty else { return }
    try tx.execute(
      """
      WITH n AS (
        SELECT u.id,
          (u.attributes || c.attributes) - ARRAY(SELECT jsonb_array_elements_text(c.removed))
            AS attributes,
          CASE WHEN c.zone_kept THEN u.time_zone ELSE c.time_zone END AS time_zone,
          CASE WHEN c.locale_kept THEN u.locale ELSE c.locale END AS locale
        FROM unnest(\(rows.map(\.id)), \(rows.map { JSONB(.object($0.change.setAttributes)) }),
          \(rows.map { JSONB(.array($0.change.removedAttributes.map(JSONValue.string))) }),
          \(rows.map { $0.change.timeZone == .keep }), \(rows.map(\.change.timeZone.value)),
          \(rows.map { $0.change.locale == .keep }), \(rows.map(\.change.locale.value)))
          AS c (id, attributes, removed, zone_kept, time_zone, locale_kept, locale)
        JOIN users u ON u.id = c.id
      )
      UPDATE users u SET attributes = n.attributes, time_zone = n.time_zone, locale = n.locale,
        attribute_times
          = herald_attribute_times(u.attribute_times, u.attributes, n.attributes, \(now)),
        updated_at = \(now), version = u.version + 1
      FROM n
      WHERE u.id = n.id
        AND (u.attributes, u.time_zone, u.locale)
          IS DISTINCT FROM (n.attributes, n.time_zone, n.locale)
      """)
  }

  /// Locks in the order of the ids, so that writers of many users never wait in a circle.
  static func lock(_ ids: [UUID], in tx: Transaction) throws {
    try tx.execute("SELECT FROM users WHERE id = ANY(\(ids)) ORDER BY id FOR UPDATE")
  }

  /// Locks as `lock` does; the attributes of `wanted`, who must be among the locked.
  static func lockAttributes(
    of wanted: Set<UUID>, locking ids: Set<UUID>, in tx: Transaction
  ) throws -> [UUID: JSONObject] {
    let rows = try tx.query(
      """
      SELECT id, CASE WHEN id = ANY(\(Array(wanted))) THEN attributes END AS attributes
      FROM users WHERE id = ANY(\(Array(ids))) ORDER BY id FOR UPDATE
      """)
    var found: [UUID: JSONObject] = [:]
    for row in rows {
      guard let attributes = try row.optionalJSON("attributes")?.objectValue else { continue }
      found[try row.get("id")] = attributes
    }
    return found
  }

  static func load(_ id: UUID, now: Date, in db: any Queryable) throws -> User {
    guard let user = try find([id], now: now, in: db)[id] else { throw UserRef.notFound }
    return user
  }

  /// By the ids asked for, which may be of users merged since. Without those unknown or erased.
  static func load(_ ids: [UUID], now: Date = Date(), in db: any Queryable) throws -> [UUID: User] {
    let standing = try standing(ids, in: db)
    let users = try find(Array(Set(standing.values)), now: now, in: db)
    return standing.compactMapValues { users[$0] }
  }

  /// Without those that are unknown or erased.
  static func find(_ ids: [UUID], now: Date, in db: any Queryable) throws -> [UUID: User] {
    let rows = try db.query(
      "\(select(now: now)) FROM users u WHERE u.id = ANY(\(ids)) AND u.erased_at IS NULL")
    var users: [UUID: User] = [:]
    for row in rows {
      let user = try User(row)
      users[user.id] = user
    }
    return users
  }

  /// Oldest first. `filter`: a boolean over the alias `u`.
  static func list(
    _ page: PageRequest, filter: SQL, now: Date, in db: any Queryable
  ) throws -> [User] {
    let after = page.after.flatMap { UserPosition($0) }
    // By users_created_at_idx, then the rest of each user of the page by their keys.
    let statement: SQL = """
      \(select(now: now)) FROM (
        SELECT u.* FROM users u
        WHERE u.erased_at IS NULL
          AND (\(after?.createdAt)::timestamptz IS NULL
            OR (u.created_at, u.id) > (\(after?.createdAt), \(after?.id)))
          AND (\(filter))
        ORDER BY u.created_at, u.id LIMIT \(page.limit + 1)
      ) u ORDER BY u.created_at, u.id
      """
    return try db.query(statement.unprepared()).map(User.init)
  }

  private static func select(now: Date) -> SQL {
    """
    SELECT u.id, u.attributes, u.time_zone, u.locale, u.created_at, u.updated_at, u.version,
      (SELECT jsonb_agg(jsonb_build_array(i.kind, i.value) ORDER BY i.created_at, i.kind, i.value)
        FROM identities i WHERE i.user_id = u.id) AS identities,
      (SELECT jsonb_object_agg(t.tag, t.value) FROM user_tags t
        WHERE t.user_id = u.id AND (t.expires_at IS NULL OR t.expires_at > \(now))) AS tags,
      (SELECT jsonb_object_agg(
          c.channel || coalesce(':' || nullif(c.subscription_group, ''), ''), c.state)
        FROM consents c WHERE c.user_id = u.id) AS consents,
      (SELECT jsonb_agg(jsonb_build_object('provider', d.provider, 'token', d.token,
          'platform', d.platform, 'state', d.state) ORDER BY d.created_at, d.token)
        FROM devices d WHERE d.user_id = u.id) AS devices,
      (SELECT jsonb_agg(jsonb_build_array(s.kind, a.value)) FROM (
          SELECT i.kind, i.value FROM identities i WHERE i.user_id = u.id
          UNION ALL
          SELECT 'token', d.provider || ':' || d.token FROM devices d WHERE d.user_id = u.id
        ) a JOIN suppressions s ON s.kind = a.kind
          AND s.value_hash = sha256(convert_to(a.value, 'UTF8'))) AS suppressed
    """
  }
}

/// Where a page of users ends.
struct UserPosition {
  let createdAt: Date
  let id: UUID

  init(_ user: User) {
    createdAt = user.createdAt
    id = user.id
  }

  init?(_ cursor: Cursor) {
    guard cursor.values.count == 2, let microseconds = Int(cursor.values[0]),
      let id = UUID(uuidString: cursor.values[1])
    else { return nil }
    createdAt = Date(microsecondsSince1970: microseconds)
    self.id = id
  }

  var values: [String] { [String(createdAt.microsecondsSince1970), id.text] }
}

extension Date {
  /// As PostgreSQL holds an instant; a Date of these centuries resolves it exactly.
  var microsecondsSince1970: Int {
    Int(exactly: (timeIntervalSinceReferenceDate * 1_000_000).rounded()).map {
      $0 + 978_307_200_000_000
    } ?? 0
  }

  init(microsecondsSince1970 microseconds: Int) {
    let (shifted, overflows) = microseconds.subtractingReportingOverflow(978_307_200_000_000)
    self.init(timeIntervalSinceReferenceDate: overflows ? 0 : Double(shifted) / 1_000_000)
  }
}

extension UserChange {
  fileprivate var setAttributes: JSONObject {
    JSONObject(attributes.plain.members.filter { !$0.value.isNull })
  }

  fileprivate var removedAttributes: [String] {
    attributes.plain.members.filter(\.value.isNull).map(\.key)
  }
}

extension UserChange.Field {
  fileprivate var value: Value? { if case .set(let value) = self { value } else { nil } }
}

extension User {
  init(_ row: Row) throws {
    id = try row.get("id")
    attributes = try row.json("attributes").objectValue ?? [:]
    identities = try row.pairs("identities").map { kind, value in
      Identity(kind: IdentityKind.named(kind) ?? .undeclared(kind), value: value)
    }
    tags = try row.optionalJSON("tags")?.objectValue ?? [:]
    var consents: [Channel: ConsentState] = [:]
    for (text, state) in try row.optionalJSON("consents")?.objectValue ?? [:] {
      guard let subscription = Subscription(text),
        let state = state.stringValue.flatMap(ConsentState.init)
      else { continue }
      if subscription.isWholeChannel {
        consents[subscription.channel] = state
      } else {
        groupConsents[subscription] = state
      }
    }
    self.consents = consents
    devices = try (row.optionalJSON("devices")?.arrayValue ?? []).map { device in
      Device(
        provider: device["provider"]?.stringValue ?? "", token: device["token"]?.stringValue ?? "",
        platform: device["platform"]?.stringValue ?? "",
        state: device["state"]?.stringValue.flatMap(Device.State.init) ?? .dead)
    }
    suppressed = Set(
      try row.pairs("suppressed").map { SuppressedAddress(kind: $0, value: $1) })
    timeZone = try row.get("time_zone")
    locale = try row.get("locale")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
    version = try row.get("version")
  }
}

extension Row {
  /// A column of `[[text, text], …]`.
  fileprivate func pairs(_ column: String) throws -> [(String, String)] {
    try (optionalJSON(column)?.arrayValue ?? []).compactMap { pair in
      guard let pair = pair.arrayValue, pair.count == 2, let first = pair[0].stringValue,
        let second = pair[1].stringValue
      else { return nil }
      return (first, second)
    }
  }
}
