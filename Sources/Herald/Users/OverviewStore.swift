import Foundation
import JSON
import Postgres

enum OverviewStore {
  /// What an order's event says was paid, as a decimal of two places; NULL without one. Amounts of
  /// more than 15 digits are nobody's.
  static func amount(_ orders: OrderRule) -> SQL {
    """
    CASE WHEN (properties ->> \(orders.amount)::text) ~ '^-?[0-9]{1,15}([.][0-9]{1,15})?$'
      THEN round((properties ->> \(orders.amount)::text)::numeric, 2) END
    """
  }

  static func orders(
    of users: [UUID], _ orders: OrderRule, in db: any Queryable
  ) throws -> Overview.Orders {
    // By the primary key, whose first columns are the user and the name.
    let row = try db.one(
      """
      SELECT count(*) AS count, round(coalesce(sum(amount), 0), 2)::text AS total,
        round(avg(coalesce(amount, 0)), 2)::text AS average, min(ts) AS first_at,
        max(ts) AS last_at,
        (array_agg(properties ORDER BY ts DESC, id DESC))[1] AS last
      FROM (SELECT ts, id, properties, \(amount(orders)) AS amount FROM events
        WHERE user_id = ANY(\(users)) AND name = \(orders.event)) o
      """)
    guard let row else { throw HeraldError(.unexpected, "Orders were not counted.") }
    return Overview.Orders(
      count: try row.get("count"), total: try row.get("total"), average: try row.get("average"),
      firstAt: try row.get("first_at"), lastAt: try row.get("last_at"),
      last: try row.optionalJSON("last"))
  }

  static func events(
    of users: [UUID], in db: any Queryable
  ) throws -> [Overview.Activity] {
    try db.query(
      """
      SELECT name, count(*) AS count, min(ts) AS first_at, max(ts) AS last_at FROM events
      WHERE user_id = ANY(\(users)) GROUP BY name
      ORDER BY count(*) DESC, name LIMIT \(Overview.eventLimit)
      """
    ).map { row in
      Overview.Activity(
        name: try row.get("name"), count: try row.get("count"),
        firstAt: try row.get("first_at"), lastAt: try row.get("last_at"))
    }
  }

  static func deliveries(
    of users: [UUID], in db: any Queryable
  ) throws -> (counts: [String: Int], lastSentAt: Date?) {
    var counts: [String: Int] = [:]
    var lastSentAt: Date?
    for row in try db.query(
      """
      SELECT status, count(*) AS count, max(settled_at) AS at FROM deliveries
      WHERE user_id = ANY(\(users)) GROUP BY status
      """)
    {
      let status: String = try row.get("status")
      counts[status] = try row.get("count")
      if status == "sent" { lastSentAt = try row.get("at") }
    }
    return (counts, lastSentAt)
  }

  static func receipts(of users: [UUID], in db: any Queryable) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for row in try db.query(
      """
      SELECT event, count(DISTINCT delivery_id) AS count FROM receipts
      WHERE user_id = ANY(\(users)) GROUP BY event
      """)
    {
      counts[try row.get("event", as: String.self)] = try row.get("count")
    }
    return counts
  }

  static func coupons(
    of users: [UUID], in db: any Queryable
  ) throws -> (issued: Int, redeemed: Int) {
    let row = try db.one(
      """
      SELECT count(*) AS issued, count(*) FILTER (WHERE state = 'redeemed') AS redeemed
      FROM coupon_issues WHERE user_id = ANY(\(users))
      """)
    return (try row?.get("issued") ?? 0, try row?.get("redeemed") ?? 0)
  }
}
