import Foundation
import JSON
import Postgres

/// Everything that is stored of one person, table by table, as they may ask to have it.
enum UserExport {
  /// Every table with rows of a user; `user_id` itself is left out. A test walks the schema.
  static let tables = [
    "identities", "identity_history", "user_aliases", "user_parts", "consents", "consent_history",
    "devices",
    "user_tags", "segment_members", "arms", "events", "enrolments", "deliveries", "step_visits",
    "attempts", "receipts", "queue", "cap_uses", "cap_reservations", "coupon_issues",
    "coupon_redemptions", "violations",
  ]

  /// Rows about two users. What they say of the other is left out.
  static let pairs: [(table: String, select: SQL)] = [
    (
      "user_merges",
      """
      SELECT to_jsonb(m) - 'moving_from' - 'moved_name' - 'moved_ts' - 'moved_event' AS row
      FROM user_merges m, ids WHERE m.survivor_id = ids.id OR m.merged_id = ids.id
      """
    ),
    (
      "identity_conflicts",
      """
      SELECT to_jsonb(c) - 'one_id' - 'other_id' || jsonb_build_object('identities', (
          SELECT coalesce(jsonb_object_agg(k.kind, k.own), '{}') FROM (
            SELECT e.key AS kind, jsonb_agg(v.value) AS own
            FROM jsonb_each(c.identities) AS e, jsonb_array_elements_text(e.value) AS v
            JOIN identities i ON i.value = v.value
            WHERE i.kind = e.key AND i.user_id IN (SELECT id FROM ids)
            GROUP BY e.key) k)) AS row
      FROM identity_conflicts c, ids WHERE c.one_id = ids.id OR c.other_id = ids.id
      """
    ),
    (
      "user_separations",
      """
      SELECT to_jsonb(s) - 'one_id' - 'other_id' AS row
      FROM user_separations s, ids WHERE s.one_id = ids.id OR s.other_id = ids.id
      """
    ),
  ]

  static func load(_ user: UUID, now: Date, in db: any Queryable) throws -> JSONValue {
    guard
      let row = try db.one(
        """
        SELECT to_jsonb(u) - 'erased_at' - 'version' AS user FROM users u
        WHERE id = \(user) AND erased_at IS NULL
        """)
    else { throw UserRef.notFound }
    let ids = try ErasureStore.ids(of: user, in: db)
    var export: JSONObject = ["user": try row.json("user"), "exported_at": .instant(now)]
    for table in tables {
      // The queue has no index by user, but each user a lane.
      let lane: SQL =
        table == "queue"
        ? "lane = ANY(ARRAY(SELECT herald_lane(id) FROM unnest(\(ids)) AS id)) AND " : ""
      let rows = try db.one(
        """
        SELECT coalesce(jsonb_agg(to_jsonb(t) - 'user_id'), '[]') AS rows
        FROM \(identifier: table) t WHERE \(lane)user_id = ANY(\(ids))
        """)
      export[table] = try rows?.json("rows") ?? []
    }
    for (table, select) in pairs {
      let rows = try db.one(
        """
        WITH ids AS (SELECT id FROM unnest(\(ids)) AS id)
        SELECT coalesce(jsonb_agg(DISTINCT r.row), '[]') AS rows FROM (\(select)) r
        """)
      export[table] = try rows?.json("rows") ?? []
    }
    return .object(export)
  }

  static let schema: JSONValue = {
    let rows = Schema.array(Schema.map(Schema.any))
    var members = [("user", Schema.map(Schema.any)), ("exported_at", Schema.instant)]
    members += (tables + pairs.map(\.table)).map { ($0, rows) }
    return Schema.members(members)
  }()
}

extension Users {
  func export(_ ref: UserRef, by caller: Caller, now: Date) async throws -> JSONValue {
    try await db.write(timeout: .seconds(60)) { tx in
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      try AuditStore.append(
        AuditEntry("user.exported", "user", user.text, by: caller, at: now), in: tx)
      return try UserExport.load(user, now: now, in: tx)
    }
  }
}
