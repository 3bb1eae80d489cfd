import Foundation
import Postgres

/// What metrics and `herald doctor` count in the database. Every query is bounded: none gets slower
/// than some tens of milliseconds when the tables grow.
enum MetricsStore {
  struct Queue: Sendable, Equatable {
    /// Exact up to `MetricsStore.exactDepth`, PostgreSQL's estimate beyond.
    var depth = 0
    /// Due now, leased ones included; at most `lookPerLane` of each lane are counted.
    var due = 0
    /// Handed over by a live worker and not settled.
    var inFlight = 0
    /// Their worker vanished; another one takes them.
    var orphaned = 0
    /// How long the longest waiting due row is overdue; 0 without one.
    var oldestSeconds = 0.0
  }

  static let exactDepth = 100_000
  static let lookPerLane = 1000

  static func queue(now: Date, in db: any Queryable) throws -> Queue {
    // 64 short range scans of queue_due_idx: claims go in its order, so that what is under way lies
    // at the front.
    let row = try db.one(
      """
      SELECT count(*) AS due,
        count(*) FILTER (WHERE handed_over_at IS NOT NULL AND leased_until > clock_timestamp())
          AS in_flight,
        count(*) FILTER (WHERE lease IS NOT NULL AND leased_until <= clock_timestamp())
          AS orphaned,
        coalesce(extract(epoch FROM \(now)::timestamptz - min(due_at)), 0)::float8 AS oldest
      FROM generate_series(0, 63) AS lanes (n), LATERAL (
        SELECT due_at, handed_over_at, lease, leased_until FROM queue q
        WHERE q.lane = n::smallint AND q.due_at <= \(now)
        ORDER BY q.due_at LIMIT \(lookPerLane)) AS front
      """)
    let depth = try db.one(
      """
      SELECT count(*) AS n, pg_stat_get_live_tuples('queue'::regclass) AS estimate
      FROM (SELECT FROM queue LIMIT \(exactDepth + 1)) AS few
      """)
    guard let row, let depth else { return Queue() }
    let counted = try depth.get("n", as: Int.self)
    return Queue(
      depth: counted > exactDepth ? max(counted, try depth.get("estimate")) : counted,
      due: try row.get("due"), inFlight: try row.get("in_flight"),
      orphaned: try row.get("orphaned"), oldestSeconds: max(0, try row.get("oldest")))
  }

  /// Of the last 10,000 entries.
  static func unsealed(in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(*) AS n FROM audit_entries e
      WHERE e.id > coalesce((SELECT max(entry_id) - 10000 FROM audit_seals), 0)
        AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.entry_id = e.id)
      """)?.get("n") ?? 0
  }

  static let partitioned = PartitionedTable.allCases.map(\.rawValue)

  /// Rows that lie outside every month, up to 1000 a table.
  static func strays(in db: any Queryable) throws -> [(table: String, count: Int)] {
    try partitioned.map { table in
      let row = try db.one(
        """
        SELECT count(*) AS n
        FROM (SELECT FROM \(identifier: table + "_default") LIMIT 1000) AS few
        """)
      return (table, try row?.get("n") ?? 0)
    }
  }

  /// By table: the months there are without a gap from this one on, up to twelve.
  static func monthsAhead(now: Date, in db: any Queryable) throws -> [(table: String, months: Int)]
  {
    try db.query(
      """
      SELECT t AS "table", coalesce((SELECT min(m) FROM generate_series(0, 11) AS m
          WHERE to_regclass(t || '_' || to_char(
            (\(now)::timestamptz AT TIME ZONE 'UTC') + make_interval(months => m), 'YYYYMM'))
            IS NULL), 12)::bigint AS months
      FROM unnest(\(partitioned)) WITH ORDINALITY AS p (t, n) ORDER BY n
      """
    ).map { (try $0.get("table"), try $0.get("months")) }
  }

  static func jobs(in db: any Queryable) throws -> [(state: String, count: Int)] {
    try db.query("SELECT state, count(*) AS n FROM jobs GROUP BY state ORDER BY state").map {
      (try $0.get("state"), try $0.get("n"))
    }
  }

  static func senders(
    in db: any Queryable
  ) throws -> [(key: String, channel: String, state: String)] {
    try db.query(
      "SELECT key, channel, state FROM senders WHERE archived_at IS NULL ORDER BY key"
    ).map { (try $0.get("key"), try $0.get("channel"), try $0.get("state")) }
  }
}
