import Foundation
import Postgres

/// What is known of messages seen, and how it is forgotten.
enum EventKeyStore {
  /// The tables that hold the keys.
  static func parts(in db: any Queryable) throws -> [String] {
    try db.query(
      """
      SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'event_keys'::regclass ORDER BY 1
      """
    ).map { try $0.get("name") }
  }

  /// Pages of one of them.
  static func pages(of part: String, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT pg_relation_size(\(part)::text::regclass)
        / current_setting('block_size')::bigint AS pages
      """)?.get("pages") ?? 0
  }

  /// Deletes keys seen before the day of `horizon`, on those pages only; how many. There is no index
  /// on the day, which every insert would pay for: the walk over all pages costs one read of them.
  static func prune(
    _ part: String, pages: Range<Int>, before horizon: Date, in tx: Transaction
  ) throws -> Int {
    let first = "(\(pages.lowerBound),0)"
    let end = "(\(pages.upperBound),0)"
    return try tx.execute(
      """
      DELETE FROM \(identifier: part)
      WHERE ctid >= \(first)::text::tid AND ctid < \(end)::text::tid
        AND seen_on < (\(horizon)::timestamptz AT TIME ZONE 'UTC')::date
      """)
  }
}
