import Foundation
import Postgres

enum MetricsStore {
  struct Queue: Sendable {
    /// Could be worked on now; what a worker holds; what comes later; what a stop or pause holds.
    let due: Int
    let leased: Int
    let later: Int
    let parked: Int
  }

  /// One pass over the queue, which holds pending work only.
  static func queue(now: Date, in db: any Queryable) throws -> Queue {
    let row = try db.one(
      """
      SELECT count(*) FILTER (WHERE held) AS leased,
        count(*) FILTER (WHERE NOT held AND due_at <= \(now)) AS due,
        count(*) FILTER (WHERE NOT held AND due_at > \(now) AND due_at < 'infinity') AS later,
        count(*) FILTER (WHERE NOT held AND due_at = 'infinity') AS parked
      FROM (SELECT due_at, coalesce(leased_until > clock_timestamp(), false) AS held FROM queue) AS q
      """)
    guard let row else { return Queue(due: 0, leased: 0, later: 0, parked: 0) }
    return Queue(
      due: try row.get("due"), leased: try row.get("leased"), later: try row.get("later"),
      parked: try row.get("parked"))
  }

  /// When the oldest work that is due became so; nil when nothing is. 64 probes of queue_due_idx.
  static func oldestDue(now: Date, in db: any Queryable) throws -> Date? {
    try db.one(
      """
      SELECT min(first.due_at) AS oldest FROM generate_series(0, 63) AS l (n)
      CROSS JOIN LATERAL (SELECT q.due_at FROM queue q
        WHERE q.lane = l.n::smallint AND q.due_at <= \(now) ORDER BY q.due_at LIMIT 1) AS first
      """)?.get("oldest")
  }

  struct SenderState: Sendable {
    let key: String
    let channel: String
    let state: String
  }

  static func senders(in db: any Queryable) throws -> [SenderState] {
    try db.query(
      "SELECT key, channel, state FROM senders WHERE archived_at IS NULL ORDER BY key"
    ).map {
      SenderState(
        key: try $0.get("key"), channel: try $0.get("channel"), state: try $0.get("state"))
    }
  }
}
