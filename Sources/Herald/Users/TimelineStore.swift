import Foundation
import JSON
import Postgres

/// One thing that happened to or around a user.
struct TimelineEntry: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    case event, delivery, receipt, coupon, tag, consent, merge
  }

  let at: Date
  let kind: Kind
  /// Unique among the user's entries; orders those of one instant.
  let key: String
  let data: JSONValue

  func json(masked: Bool) -> JSONValue {
    [
      "at": .instant(at), "type": .string(kind.rawValue),
      "data": masked ? UserMask.masked(data, isPersonal: false) : data,
    ]
  }

  static let schema = Schema.object([
    "at": Schema.instant, "type": Schema.choice(Kind.allCases.map(\.rawValue)),
    "data": Schema.map(Schema.any),
  ])
}

enum TimelineStore {
  /// Newest first. Each source gives at most a page by the user's own rows.
  static func list(
    of user: UUID, _ page: PageRequest, in db: any Queryable
  ) throws -> [TimelineEntry] {
    let before = page.after.flatMap { cursor -> (at: Date, key: String)? in
      guard let microseconds = Int(cursor.values[0]) else { return nil }
      return (Date(microsecondsSince1970: microseconds), cursor.values[1])
    }
    let ids = try UserStore.ids(of: user, in: db)
    let parts = sources(of: user, ids).map { source -> SQL in
      """
      (SELECT at, kind, key, data FROM (\(source)) s
        WHERE \(before?.at)::timestamptz IS NULL OR (at, key) < (\(before?.at), \(before?.key))
        ORDER BY at DESC, key DESC LIMIT \(page.limit + 1))
      """
    }
    return try db.query(
      """
      SELECT at, kind, key, data FROM (\(SQL.joined(parts, separator: " UNION ALL "))) t
      ORDER BY at DESC, key DESC LIMIT \(page.limit + 1)
      """
    ).compactMap { row in
      guard let kind = TimelineEntry.Kind(rawValue: try row.get("kind")) else { return nil }
      return TimelineEntry(
        at: try row.get("at"), kind: kind, key: try row.get("key"), data: try row.json("data"))
    }
  }

  /// `ids`: the user's own and those merged into it, under which their rows may lie.
  private static func sources(of user: UUID, _ ids: [UUID]) -> [SQL] {
    [
      """
      SELECT ts AS at, 'event' AS kind, 'e:' || id AS key, jsonb_build_object('id', id,
        'name', name, 'properties', properties, 'source', source, 'message_id', message_id,
        'received_at', received_at) AS data
      FROM events WHERE user_id = ANY(\(ids))
      """,
      """
      SELECT created_at AS at, 'delivery' AS kind, 'd:' || id AS key, jsonb_build_object('id', id,
        'plan', plan, 'version', plan_version, 'run', run_id, 'step', step_id, 'status', status,
        'reason', reason, 'gate', gate, 'channel', channel, 'sender', sender,
        'attempts', attempts) AS data
      FROM deliveries WHERE user_id = ANY(\(ids))
      """,
      """
      SELECT at, 'receipt' AS kind, 'r:' || delivery_id || event AS key, jsonb_build_object(
        'delivery', delivery_id, 'event', event, 'plan', plan, 'step', step_id,
        'channel', channel, 'sender', sender) AS data
      FROM receipts WHERE user_id = ANY(\(ids))
      """,
      """
      SELECT issued_at AS at, 'coupon' AS kind, 'c:' || coupon || ':' || code_no AS key,
        jsonb_build_object('coupon', coupon, 'code', code, 'state', state,
          'delivery', delivery_id, 'valid_from', valid_from, 'valid_until', valid_until) AS data
      FROM coupon_issues WHERE user_id = ANY(\(ids))
      """,
      """
      SELECT updated_at AS at, 'tag' AS kind, 't:' || tag AS key, jsonb_build_object('tag', tag,
        'value', value, 'source', source, 'expires_at', expires_at) AS data
      FROM user_tags WHERE user_id = \(user)
      """,
      """
      SELECT at, 'consent' AS kind, 's:' || id AS key, jsonb_build_object('channel', channel,
        'group', subscription_group, 'state', state, 'source', source) AS data
      FROM consent_history WHERE user_id = ANY(\(ids))
      """,
      """
      SELECT merged_at AS at, 'merge' AS kind, 'm:' || id AS key, jsonb_build_object('id', id,
        'survivor', survivor_id, 'merged', merged_id, 'state', state, 'reason', reason,
        'undone_at', undone_at) AS data
      FROM user_merges WHERE survivor_id = ANY(\(ids)) OR merged_id = ANY(\(ids))
      """,
    ]
  }
}

extension Users {
  func timeline(
    _ ref: UserRef, _ page: PageRequest, for caller: Caller, now: Date
  ) async throws -> Page<TimelineEntry> {
    let rows = try await db.read { db in
      let user = try UserScope.load(ref, for: caller, now: now, in: db)
      return try TimelineStore.list(of: user, page, in: db)
    }
    return Page(rows, page) { [String($0.at.microsecondsSince1970), $0.key] }
  }
}
