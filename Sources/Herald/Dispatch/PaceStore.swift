import Foundation
import Postgres

/// Token buckets shared by every process through the database. Time is the database's.
enum PaceStore {
  /// Takes up to `wanted` tokens of a bucket that fills at `rate` a second and holds at most
  /// `burst` seconds of it (one token at least). Returns how many were granted; what their taker
  /// does not use is lost.
  static func take(
    scope: String, rate: Double, burst: Double, wanted: Int, in tx: Transaction
  ) throws -> Int {
    let size = max(rate * burst, 1)
    try tx.execute(
      """
      INSERT INTO pace (scope, tokens, refilled_at) VALUES (\(scope), \(size), clock_timestamp())
      ON CONFLICT (scope) DO NOTHING
      """)
    let available: Double? = try tx.one(
      """
      SELECT least(\(size), tokens
        + greatest(0, extract(epoch FROM clock_timestamp() - refilled_at)::float8) * \(rate)) AS n
      FROM pace WHERE scope = \(scope) FOR UPDATE
      """)?.get("n")
    guard let available else { return 0 }
    let granted = min(wanted, Int(exactly: available.rounded(.down)) ?? 0)
    try tx.execute(
      """
      UPDATE pace SET tokens = \(available - Double(granted)), refilled_at = clock_timestamp()
      WHERE scope = \(scope)
      """)
    return granted
  }
}
