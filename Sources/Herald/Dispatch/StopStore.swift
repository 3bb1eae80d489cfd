import Foundation
import Postgres

/// What must not go out now: the kill switch, stopped channels, paused plans, cancelled runs. The
/// rows are share-locked, so that a stop which has been answered sees no later hand-over begin.
enum StopStore {
  /// `all` and `channel:…`.
  static func lock(in tx: Transaction) throws -> Set<String> {
    let rows = try tx.query("SELECT scope FROM stops FOR SHARE")
    return Set(try rows.map { try $0.get(0, as: String.self) })
  }

  static func list(in db: any Queryable) throws -> [(
    scope: String, by: String, reason: String?, at: Date
  )] {
    try db.query("SELECT scope, stopped_by, reason, at FROM stops ORDER BY scope").map {
      (try $0.get("scope"), try $0.get("stopped_by"), try $0.get("reason"), try $0.get("at"))
    }
  }

  static func insert(
    _ scope: String, by principal: String, reason: String?, now: Date, in tx: Transaction
  ) throws {
    // The table lock waits for batches that looked before and have not committed their hand-overs.
    try tx.execute("LOCK TABLE stops IN EXCLUSIVE MODE")
    try tx.execute(
      """
      INSERT INTO stops (scope, stopped_by, reason, at)
      VALUES (\(scope), \(principal), \(reason), \(now)) ON CONFLICT (scope) DO NOTHING
      """)
  }

  static func delete(_ scope: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM stops WHERE scope = \(scope)")
  }

  /// Those of `plans` that are paused.
  static func pausedPlans(_ plans: [String], in tx: Transaction) throws -> Set<String> {
    let rows = try tx.query(
      "SELECT key, paused FROM plans WHERE key = ANY(\(plans)) ORDER BY key FOR SHARE")
    var paused: Set<String> = []
    for row in rows where try row.get("paused", as: Bool.self) { paused.insert(try row.get("key")) }
    return paused
  }

  /// Live paces of plans, where somebody set one.
  static func paces(_ plans: [String], in tx: Transaction) throws -> [String: Double] {
    let rows = try tx.query(
      "SELECT key, pace_per_second FROM plans WHERE key = ANY(\(plans)) AND pace_per_second > 0")
    var paces: [String: Double] = [:]
    for row in rows { paces[try row.get("key")] = try row.get("pace_per_second") }
    return paces
  }

  /// Those of `runs` that are cancelled.
  static func cancelledRuns(_ runs: Set<UUID>, in tx: Transaction) throws -> Set<UUID> {
    let rows = try tx.query(
      "SELECT id FROM runs WHERE id = ANY(\(Array(runs))) AND state = 'cancelled'")
    return try rows.ids()
  }
}
