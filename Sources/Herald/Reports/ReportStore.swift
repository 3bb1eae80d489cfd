import Foundation
import Postgres

/// The figures of reports, each query one pass over the runs' rows, never prepared (as in
/// `AccountingStore`).
enum ReportStore {
  /// By key: how many deliveries are in which state.
  static func deliveries(
    _ runs: [UUID], by dimension: Report.Dimension, zone: String, scope: ReportScope,
    in db: any Queryable
  ) throws -> [String: ReportFigures] {
    let rows = try db.query(
      SQL(
        """
        SELECT key::text AS key, status, count AS n FROM (
          SELECT \(key(dimension, zone)) AS key, d.status, count(*) FROM deliveries d \(enrolments(dimension))
          WHERE d.run_id = ANY(\(runs)) AND \(scope.admits("d")) GROUP BY 1, 2) AS counted
        """
      ).unprepared())
    var figures: [String: ReportFigures] = [:]
    for row in rows {
      let n: Int = try row.get("n")
      var of = figures[try row.get("key")] ?? ReportFigures()
      of.entered += n
      switch DeliveryStatus(rawValue: try row.get("status")) {
      case .sent: of.sent += n
      case .failed: of.failed += n
      case .skipped: of.skipped += n
      case .pending: of.pending += n
      case .unknown: of.unknown += n
      case nil: break
      }
      figures[try row.get("key")] = of
    }
    return figures
  }

  /// By channel: how many deliveries went out by it after they had by another, because no receipt of
  /// that one came in time.
  static func followUps(
    _ runs: [UUID], scope: ReportScope, in db: any Queryable
  ) throws -> [String: Int] {
    let rows = try db.query(
      SQL(
        """
        SELECT a.channel AS key, count(DISTINCT a.delivery_id) AS n
        FROM attempts a JOIN deliveries d ON d.id = a.delivery_id AND d.run_id = ANY(\(runs))
        WHERE a.run_id = ANY(\(runs)) AND a.status = 'sent' AND a.channel <> d.channel
          AND \(scope.admits("a"))
        GROUP BY 1
        """
      ).unprepared())
    var counts: [String: Int] = [:]
    for row in rows { counts[try row.get("key")] = try row.get("n") }
    return counts
  }

  /// By key: how many deliveries had which receipts, whatever their number. A day is that of the
  /// delivery, for which the two are joined; a channel is that of the sender who told.
  static func receipts(
    _ runs: [UUID], by dimension: Report.Dimension, zone: String, scope: ReportScope,
    in db: any Queryable
  ) throws -> [String: ReportFigures] {
    let inner: SQL =
      switch dimension {
      case .step: "r.delivery_id, r.step_id AS key"
      case .channel: "r.delivery_id, r.channel AS key"
      case .day, .variant: "r.delivery_id, r.delivery_id AS key"
      }
    let joined: SQL =
      switch dimension {
      case .day, .variant:
        """
        SELECT \(key(dimension, zone)) AS key, seen FROM told t
        JOIN deliveries d ON d.id = t.delivery_id AND d.run_id = ANY(\(runs))
        \(enrolments(dimension))
        """
      case .step, .channel: "SELECT key, seen FROM told"
      }
    let rows = try db.query(
      SQL(
        """
        WITH told AS (
          SELECT \(inner), bit_or(CASE r.event WHEN 'delivered' THEN 1 WHEN 'opened' THEN 3
            WHEN 'clicked' THEN 7 WHEN 'bounced' THEN 8 WHEN 'unsubscribed' THEN 16 ELSE 32 END)
            AS seen
          FROM receipts r WHERE r.run_id = ANY(\(runs)) AND \(scope.admits("r")) GROUP BY 1, 2)
        SELECT key::text AS key, count(*) FILTER (WHERE seen & 1 > 0) AS delivered,
          count(*) FILTER (WHERE seen & 2 > 0) AS opened,
          count(*) FILTER (WHERE seen & 4 > 0) AS clicked,
          count(*) FILTER (WHERE seen & 8 > 0) AS bounced,
          count(*) FILTER (WHERE seen & 16 > 0) AS unsubscribed,
          count(*) FILTER (WHERE seen & 32 > 0) AS uninstalled
        FROM (\(joined)) AS placed GROUP BY key
        """
      ).unprepared())
    var figures: [String: ReportFigures] = [:]
    for row in rows {
      var of = ReportFigures()
      of.delivered = try row.get("delivered")
      of.opened = try row.get("opened")
      of.clicked = try row.get("clicked")
      of.bounced = try row.get("bounced")
      of.unsubscribed = try row.get("unsubscribed")
      of.uninstalled = try row.get("uninstalled")
      figures[try row.get("key")] = of
    }
    return figures
  }

  /// By key: codes issued by the runs' deliveries, and those of them redeemed.
  static func coupons(
    _ coupons: [String], _ runs: [UUID], by dimension: Report.Dimension, zone: String,
    scope: ReportScope, in db: any Queryable
  ) throws -> [String: (issued: Int, redeemed: Int)] {
    let rows = try db.query(
      SQL(
        """
        SELECT key::text AS key, issued, redeemed FROM (
          SELECT \(key(dimension, zone)) AS key, count(*) AS issued,
            count(*) FILTER (WHERE i.state = 'redeemed') AS redeemed
          FROM coupon_issues i JOIN deliveries d ON d.id = i.delivery_id
            \(enrolments(dimension))
          WHERE i.coupon = ANY(\(coupons)) AND d.run_id = ANY(\(runs)) AND \(scope.admits("d"))
          GROUP BY 1) AS counted
        """
      ).unprepared())
    var counts: [String: (issued: Int, redeemed: Int)] = [:]
    for row in rows {
      counts[try row.get("key")] = (try row.get("issued"), try row.get("redeemed"))
    }
    return counts
  }

  /// Enrolments with a goal event in (entry, entry + within], of those who came in and of those held
  /// out. The events are found by name and time; those of a merged user under the id that lives on.
  static func conversions(
    _ runs: [UUID], event: String, seconds: Int, scope: ReportScope, in db: any Queryable
  ) throws -> (treated: Int, heldOut: Int) {
    let span = Double(seconds)
    let moving = try EventHistory.isMoving(in: db)
    let row = try db.one(
      SQL(
        """
        WITH entries AS MATERIALIZED (
          SELECT coalesce(a.user_id, e.user_id) AS user_id, e.user_id AS entrant, e.run_id,
            e.entry_key, e.entered_at, e.state = 'held_out' AS held_out
          FROM enrolments e LEFT JOIN user_aliases a ON a.alias_id = e.user_id
          WHERE e.run_id = ANY(\(runs)) AND e.state <> 'skipped' AND \(scope.admits("e"))
        ), converted AS (
          SELECT DISTINCT e.entrant, e.run_id, e.entry_key, e.held_out
          FROM entries e JOIN \(EventHistory.table(moving: moving)) v ON v.user_id = e.user_id
          WHERE v.name = \(event) AND v.ts > e.entered_at
            AND v.ts <= e.entered_at + make_interval(secs => \(span))
            AND v.ts > (SELECT min(entered_at) FROM entries)
            AND v.ts <= (SELECT max(entered_at) FROM entries) + make_interval(secs => \(span)))
        SELECT count(*) FILTER (WHERE NOT held_out) AS treated,
          count(*) FILTER (WHERE held_out) AS held_out FROM converted
        """
      ).unprepared())
    guard let row else { return (0, 0) }
    return (try row.get("treated"), try row.get("held_out"))
  }

  /// Sorting and hashing of a run's rows in memory, as far as it goes.
  static func prepare(_ tx: Transaction) throws {
    try tx.execute("SET LOCAL work_mem = '64MB'")
  }

  /// Where a delivery `d` belongs. A day is the one on which it was settled, by the project's clock.
  private static func key(_ dimension: Report.Dimension, _ zone: String) -> SQL {
    switch dimension {
    case .step: "d.step_id"
    case .channel: "coalesce(d.channel, 'none')"
    case .variant: "coalesce(e.arm, 'none')"
    case .day: "(coalesce(d.settled_at, d.created_at) AT TIME ZONE \(zone))::date"
    }
  }

  /// What else than the delivery says where it belongs.
  private static func enrolments(_ dimension: Report.Dimension) -> SQL {
    dimension == .variant
      ? """
      JOIN enrolments e ON e.user_id = d.user_id AND e.run_id = d.run_id
        AND e.entry_key = d.entry_key
      """ : ""
  }
}
