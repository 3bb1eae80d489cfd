import Foundation
import Postgres

enum PartitionStore {
  /// Which of `months` have a partition.
  static func months(
    of table: PartitionedTable, in db: any Queryable
  ) throws -> Set<Month> {
    let prefix = table.rawValue + "_"
    let names = try db.query(
      """
      SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = to_regclass(\(table.rawValue))
      """)
    return Set(
      try names.compactMap { row in
        Month(suffix: try row.get("name", as: String.self).dropFirst(prefix.utf8.count))
      })
  }

  /// Whether some month of events has rows and no statistics.
  static func hasUnknownEvents(in db: any Queryable) throws -> Bool {
    try db.one(
      """
      SELECT FROM pg_inherits i JOIN pg_stat_user_tables s ON s.relid = i.inhrelid
      WHERE i.inhparent = 'events'::regclass AND s.n_live_tup >= 1000
        AND s.last_analyze IS NULL AND s.last_autoanalyze IS NULL LIMIT 1
      """) != nil
  }

  /// Moves rows of the month out of the default partition. False when there is one already; throws
  /// SQLSTATE 55P03 when others are at the table for two seconds.
  @discardableResult
  static func make(_ month: Month, of table: PartitionedTable, in tx: Transaction) throws -> Bool {
    try tx.one("SELECT herald_make_partition(\(table.rawValue), \(month.firstDay)::text::date)")?
      .get(0) ?? false
  }

  /// False when there is none or its runs are not over; throws SQLSTATE 55P03 as `make` does.
  static func drop(_ month: Month, of table: PartitionedTable, in tx: Transaction) throws -> Bool {
    try tx.one("SELECT herald_drop_partition(\(table.rawValue), \(month.firstDay)::text::date)")?
      .get(0) ?? false
  }

  /// How many rows of the default partition lie in each month; `limit` of them are looked at.
  static func strays(
    of table: PartitionedTable, limit: Int, in db: any Queryable
  ) throws -> [Month: Int] {
    let rows = try db.query(
      """
      SELECT to_char(\(identifier: table.column) AT TIME ZONE 'UTC', 'YYYYMM') AS month,
        count(*) AS n
      FROM (SELECT \(identifier: table.column)
        FROM \(identifier: table.rawValue + "_default") LIMIT \(limit)) AS few GROUP BY 1
      """)
    var strays: [Month: Int] = [:]
    for row in rows {
      guard let month = Month(suffix: try row.get("month", as: String.self)) else { continue }
      strays[month] = try row.get("n")
    }
    return strays
  }

  /// Deletes rows of the default partition from before `month`, at most `limit`; how many.
  static func deleteStrays(
    of table: PartitionedTable, before month: Month, limit: Int, in tx: Transaction
  ) throws -> Int {
    let name = table.rawValue + "_default"
    return try tx.execute(
      """
      DELETE FROM \(identifier: name) WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM \(identifier: name)
        WHERE \(identifier: table.column) < (\(month.firstDay)::text || ' 00:00+00')::timestamptz
        LIMIT \(limit)))
      """)
  }

  /// True for one process in each `interval`: the chore is its own then.
  static func claim(
    _ chore: String, every interval: TimeInterval, now: Date, in tx: Transaction
  ) throws -> Bool {
    try tx.execute(
      """
      INSERT INTO chores (chore, done_at) VALUES (\(chore), \(now))
      ON CONFLICT (chore) DO UPDATE SET done_at = excluded.done_at
      WHERE chores.done_at <= excluded.done_at - make_interval(secs => \(interval))
      """) == 1
  }
}
