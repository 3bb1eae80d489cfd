import Foundation
import JSON
import Postgres

enum TimelineStore {
  /// Where a page begins, and what it may hold.
  private struct PageEnd {
    let before: (at: Date, key: String)?
    let filter: TimelineFilter
    let limit: Int

    init(_ page: PageRequest, _ filter: TimelineFilter) {
      before = page.after.flatMap { cursor in
        guard let microseconds = Int(cursor.values[0]) else { return nil }
        return (Date(microsecondsSince1970: microseconds), cursor.values[1])
      }
      self.filter = filter
      limit = page.limit + 1
    }

    /// Over the columns of `events`. Bounds of `ts` that are there only when they are asked for, so
    /// that they bound the walk along the index.
    func conditions(id: SQL) -> SQL {
      var parts: [SQL] = ["TRUE"]
      if let name = filter.name { parts.append("name = \(name)") }
      if let from = filter.from { parts.append("ts >= \(from)") }
      if let until = filter.until { parts.append("ts < \(until)") }
      if let before {
        parts.append("ts <= \(before.at) AND (ts < \(before.at) OR \(id) < \(before.key))")
      }
      return SQL.joined(parts, separator: " AND ")
    }
  }

  /// Newest first. Each source gives at most a page by the user's own rows, and by those of the ids
  /// that were merged into the user.
  static func list(
    of users: [UUID], _ page: PageRequest, _ filter: TimelineFilter, orders: OrderRule,
    in db: any Queryable
  ) throws -> [TimelineEntry] {
    let end = PageEnd(page, filter)
    let before = end.before
    let parts = sources(of: users, orders, filter.ordersOnly, end)
      .filter { filter.kinds.isEmpty || filter.kinds.contains($0.0) }
      .map { kind, source -> SQL in
        """
        (SELECT at, \(kind.rawValue) AS kind, key, data FROM (\(source)) s
          WHERE (\(before?.at)::timestamptz IS NULL OR (at, key) < (\(before?.at), \(before?.key)))
            AND (\(filter.name)::text IS NULL OR name = \(filter.name))
            AND (\(filter.from)::timestamptz IS NULL OR at >= \(filter.from))
            AND (\(filter.until)::timestamptz IS NULL OR at < \(filter.until))
          ORDER BY at DESC, key DESC LIMIT \(page.limit + 1))
        """
      }
    guard !parts.isEmpty else { return [] }
    let statement: SQL = """
      SELECT at, kind, key, data FROM (\(SQL.joined(parts, separator: " UNION ALL "))) t
      ORDER BY at DESC, key DESC LIMIT \(page.limit + 1)
      """
    return try db.query(statement.unprepared()).compactMap { row in
      guard let kind = TimelineEntry.Kind(rawValue: try row.get("kind")) else { return nil }
      return TimelineEntry(
        at: try row.get("at"), kind: kind, key: try row.get("key"), data: try row.json("data"))
    }
  }

  private static func sources(
    of users: [UUID], _ orders: OrderRule, _ ordersOnly: Bool, _ end: PageEnd
  ) -> [(TimelineEntry.Kind, SQL)] {
    [(.event, events(of: users, orders, ordersOnly, end))] + ledger(of: users) + person(of: users)
  }

  /// An order also says its amount, where it has one.
  ///
  /// There is no index by user and time. The primary key begins with user and name, and people's
  /// events have few names: the newest page of each name is read backwards from the key, so that what
  /// a page costs does not grow with the history. The names are found by skipping from one to the next.
  private static func events(
    of users: [UUID], _ orders: OrderRule, _ ordersOnly: Bool, _ page: PageEnd
  ) -> SQL {
    let only: SQL = ordersOnly ? " AND name = \(orders.event)" : ""
    let names: SQL = """
      WITH RECURSIVE named AS (
        SELECT u.id AS user_id, (SELECT min(e.name) FROM events e WHERE e.user_id = u.id) AS name
        FROM unnest(\(users)) AS u (id)
        UNION ALL
        SELECT n.user_id,
          (SELECT min(e.name) FROM events e WHERE e.user_id = n.user_id AND e.name > n.name)
        FROM named n WHERE n.name IS NOT NULL
      )
      """
    return """
      \(names)
      SELECT e.ts AS at, e.name, 'e:' || e.id AS key, jsonb_build_object('id', e.id,
        'name', e.name, 'properties', properties, 'source', source, 'message_id', message_id,
        'received_at', received_at)
        || CASE WHEN e.name = \(orders.event) THEN jsonb_build_object('order', jsonb_build_object(
          'amount', (\(OverviewStore.amount(orders)))::text, 'currency', \(orders.currency)::text))
          ELSE '{}' END AS data
      FROM named n CROSS JOIN LATERAL (
        SELECT * FROM events
        WHERE user_id = n.user_id AND name = n.name\(only) AND \(page.conditions(id: "'e:' || id"))
        ORDER BY ts DESC, id DESC LIMIT \(page.limit)
      ) e WHERE n.name IS NOT NULL
      """
  }

  private static func ledger(of users: [UUID]) -> [(TimelineEntry.Kind, SQL)] {
    [
      (
        .delivery,
        """
        SELECT created_at AS at, plan AS name, 'd:' || id AS key, jsonb_build_object('id', id,
          'plan', plan, 'version', plan_version, 'run', run_id, 'step', step_id, 'status', status,
          'reason', reason, 'gate', gate, 'channel', channel, 'sender', sender,
          'attempts', attempts, 'settled_at', settled_at) AS data
        FROM deliveries WHERE user_id = ANY(\(users))
        """
      ),
      (
        .receipt,
        """
        SELECT at, plan AS name, 'r:' || delivery_id || event AS key, jsonb_build_object(
          'delivery', delivery_id, 'event', event, 'plan', plan, 'step', step_id,
          'channel', channel, 'sender', sender) AS data
        FROM receipts WHERE user_id = ANY(\(users))
        """
      ),
      (
        .coupon,
        """
        SELECT issued_at AS at, coupon AS name, 'c:' || coupon || ':' || code_no AS key,
          jsonb_build_object('coupon', coupon, 'code', code, 'state', state,
            'delivery', delivery_id, 'valid_from', valid_from, 'valid_until', valid_until) AS data
        FROM coupon_issues WHERE user_id = ANY(\(users))
        """
      ),
      (
        .redemption,
        """
        SELECT redeemed_at AS at, coupon AS name, 'x:' || id AS key, jsonb_build_object('id', id,
          'coupon', coupon, 'order_id', order_id, 'order_value', order_value,
          'rolled_back_at', rolled_back_at) AS data
        FROM coupon_redemptions WHERE user_id = ANY(\(users))
        """
      ),
    ]
  }

  private static func person(of users: [UUID]) -> [(TimelineEntry.Kind, SQL)] {
    [
      (
        .tag,
        """
        SELECT updated_at AS at, tag AS name, 't:' || tag AS key, jsonb_build_object('tag', tag,
          'value', value, 'source', source, 'since', created_at, 'expires_at', expires_at) AS data
        FROM user_tags WHERE user_id = ANY(\(users))
        """
      ),
      (
        .consent,
        """
        SELECT at, channel AS name, 's:' || id AS key, jsonb_build_object('channel', channel,
          'group', nullif(subscription_group, ''), 'state', state, 'source', source) AS data
        FROM consent_history WHERE user_id = ANY(\(users))
        """
      ),
      (
        .identity,
        """
        SELECT at, kind AS name, 'i:' || md5(kind || ':' || value) || change AS key,
          jsonb_build_object('kind', kind, 'identity', value, 'change', change) AS data
        FROM identity_history WHERE user_id = ANY(\(users))
        """
      ),
      (
        .merge,
        """
        SELECT merged_at AS at, 'merge' AS name, 'm:' || alias_id AS key,
          jsonb_build_object('merged', alias_id) AS data
        FROM user_aliases WHERE user_id = ANY(\(users))
        """
      ),
    ]
  }
}

extension Users {
  func timeline(
    _ ref: UserRef, _ page: PageRequest, _ filter: TimelineFilter, for caller: Caller, now: Date
  ) async throws -> Page<TimelineEntry> {
    let orders = try await currentSettings().orders
    let rows = try await db.read { db in
      let user = try UserScope.load(ref, for: caller, now: now, in: db)
      return try TimelineStore.list(
        of: ErasureStore.ids(of: user, in: db), page, filter, orders: orders, in: db)
    }
    return Page(rows, page) { [String($0.at.microsecondsSince1970), $0.key] }
  }
}
