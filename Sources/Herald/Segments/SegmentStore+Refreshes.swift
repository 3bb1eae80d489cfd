import Foundation
import Postgres

extension SegmentStore {
  /// When a segment is to be counted next; nil: never by itself.
  static func schedule(_ key: String, at next: Date?, in tx: Transaction) throws {
    try tx.execute("UPDATE segments SET next_refresh_at = \(next) WHERE key = \(key)")
  }

  /// A segment whose count is due, locked for the rest of the transaction; those that another
  /// process is counting are passed over.
  static func lockDue(
    now: Date, in tx: Transaction
  ) throws -> (stored: StoredSegment, dueAt: Date)? {
    let row = try tx.one(
      """
      SELECT key, next_refresh_at FROM segments
      WHERE next_refresh_at <= \(now) AND archived_at IS NULL
      ORDER BY next_refresh_at, key LIMIT 1 FOR UPDATE SKIP LOCKED
      """)
    guard let row else { return nil }
    return (try load(try row.get("key"), in: tx), try row.get("next_refresh_at"))
  }

  /// Notes that an occurrence was carried out. How many people there were is kept for 90 days.
  static func record(
    _ key: String, dueAt: Date, size: Int, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO segment_refreshes (segment, due_at, refreshed_at, size)
      VALUES (\(key), \(dueAt), \(now), \(size)) ON CONFLICT (segment, due_at) DO NOTHING
      """)
    try tx.execute(
      """
      DELETE FROM segment_refreshes
      WHERE segment = \(key) AND due_at < \(now)::timestamptz - interval '90 days'
      """)
  }
}
