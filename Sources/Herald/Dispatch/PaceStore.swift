import Foundation
import JSON
import Postgres

/// Token buckets and day quotas shared by every process through the database. Nothing runs where
/// nothing is sent: a bucket is filled when somebody takes from it. Time is the database's.
enum PaceStore {
  /// What somebody may send now, and how long it takes until they may send one more.
  struct Grant: Sendable {
    var count: Int
    var wait = 0.0
    /// It is the plan's pace that holds it back, not the sender's.
    var isOfPlan = false
  }

  /// Takes up to `wanted` tokens of a bucket that fills at `rate` a second and holds at most
  /// `burst` seconds of it (one token at least). What their taker does not use is lost.
  static func take(
    scope: String, rate: Double, burst: Double, wanted: Int, in tx: Transaction
  ) throws -> Grant {
    let size = max(rate * burst, 1)
    var available = try level(scope, rate: rate, size: size, in: tx)
    if available == nil {
      try tx.execute(
        """
        INSERT INTO pace (scope, tokens, refilled_at) VALUES (\(scope), \(size), clock_timestamp())
        ON CONFLICT (scope) DO NOTHING
        """)
      available = try level(scope, rate: rate, size: size, in: tx)
    }
    guard let available else { return Grant(count: 0, wait: 1 / rate) }
    let granted = min(wanted, Int(exactly: available.rounded(.down)) ?? 0)
    guard granted > 0 else { return Grant(count: 0, wait: (1 - available) / rate) }
    try tx.execute(
      """
      UPDATE pace SET tokens = \(available - Double(granted)), refilled_at = clock_timestamp()
      WHERE scope = \(scope)
      """)
    return Grant(count: granted)
  }

  private static func level(
    _ scope: String, rate: Double, size: Double, in tx: Transaction
  ) throws -> Double? {
    try tx.one(
      """
      SELECT least(\(size), tokens
        + greatest(0, extract(epoch FROM clock_timestamp() - refilled_at)::float8) * \(rate)) AS n
      FROM pace WHERE scope = \(scope) FOR UPDATE
      """)?.get("n")
  }

  /// Takes up to `wanted` of what a provider allows a sender on one day.
  static func takeQuota(
    of sender: String, on day: CivilDay, limit: Int, wanted: Int, in tx: Transaction
  ) throws -> Int {
    try tx.execute(
      """
      INSERT INTO sender_days (sender, day, used) VALUES (\(sender), \(day.description)::text::date, 0)
      ON CONFLICT (sender, day) DO NOTHING
      """)
    let used: Int? = try tx.one(
      """
      SELECT used FROM sender_days WHERE sender = \(sender)
        AND day = \(day.description)::text::date FOR UPDATE
      """)?.get("used")
    let granted = max(0, min(wanted, limit - (used ?? limit)))
    guard granted > 0 else { return 0 }
    try tx.execute(
      """
      UPDATE sender_days SET used = used + \(granted) WHERE sender = \(sender)
        AND day = \(day.description)::text::date
      """)
    return granted
  }

  /// The day is another sender's account again: nobody asks for it any more.
  static func pruneQuotas(before day: CivilDay, in tx: Transaction) throws -> Int {
    try tx.execute("DELETE FROM sender_days WHERE day < \(day.description)::text::date")
  }
}
