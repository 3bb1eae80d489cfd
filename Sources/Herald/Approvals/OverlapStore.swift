import Foundation
import JSON
import Postgres

/// Which other plans reach the same people in the days to come.
enum OverlapStore {
  struct Other: Sendable {
    let plan: ApprovedPlan
    let state: PlanState
    let launchAt: Date?
  }

  /// Others on the same channel and days that are counted; the ones that come first.
  static let limit = 100
  /// People who are asked about up to 20 others, fewer about more; of a larger crowd a part, by which
  /// the rest is estimated.
  static func sample(others: Int) -> Int { 20_000 * 20 / max(20, others) }

  /// Plans that are submitted, approved, live or paused, without this one.
  static func others(than plan: String, in db: any Queryable) throws -> [Other] {
    try db.query(
      """
      SELECT v.plan, v.version, v.state, v.launch_at FROM plan_versions v
      JOIN plans p ON p.key = v.plan
      WHERE v.plan <> \(plan) AND v.manifest IS NOT NULL
        AND ((v.state IN ('approved', 'live', 'paused') AND v.version = p.live_version)
          OR (v.state = 'pending_approval' AND v.version = p.draft_version))
      ORDER BY coalesce(v.launch_at, v.live_at, v.updated_at), v.plan LIMIT 500
      """
    ).map { row in
      let version = try PlanStore.version(row.get("plan"), row.get("version"), in: db)
      return Other(
        plan: try ApprovedPlan(version), state: version.state, launchAt: version.launchAt)
    }
  }

  /// How many of the people for whom `fits` (over `users u`) holds each other plan may reach on each
  /// of `channels`. In the order of `others`.
  static func shared(
    _ fits: SQL, people: Int, others: [(crowd: SQL, channels: [Channel])],
    reach: [Channel: SQL], in tx: Transaction
  ) throws -> [[Channel: Int]] {
    guard !others.isEmpty, people > 0 else { return others.map { _ in [:] } }
    let sample = sample(others: others.count)
    let buckets = people <= sample ? 10_000 : max(1, sample * 10_000 / people)
    let scale = 10_000 / Double(buckets)
    let channels = reach.keys.sorted { $0.rawValue < $1.rawValue }
    var columns: SQL = "SELECT u.id"
    for (index, channel) in channels.enumerated() {
      guard let condition = reach[channel] else { continue }
      columns = columns + ", (\(condition)) AS \(identifier: "r_\(index)")"
    }
    for (index, other) in others.enumerated() {
      columns = columns + ", (\(other.crowd)) AS \(identifier: "o_\(index)")"
    }
    var counts: [SQL] = []
    for (index, other) in others.enumerated() {
      for (place, channel) in channels.enumerated() where other.channels.contains(channel) {
        counts.append(
          "count(*) FILTER (WHERE \(identifier: "o_\(index)") AND \(identifier: "r_\(place)")) AS \(identifier: "n_\(index)_\(place)")"
        )
      }
    }
    guard !counts.isEmpty else { return others.map { _ in [:] } }
    let statement: SQL = """
      WITH crowd AS MATERIALIZED (
        \(columns) FROM users u WHERE u.erased_at IS NULL AND (\(fits))
          AND herald_bucket('calendar', u.id::text) < \(buckets))
      SELECT \(SQL.joined(counts, separator: ", ")) FROM crowd
      """
    guard let row = try tx.one(statement.unprepared()) else { return others.map { _ in [:] } }
    return try others.enumerated().map { index, other in
      var found: [Channel: Int] = [:]
      for (place, channel) in channels.enumerated() where other.channels.contains(channel) {
        let count: Int = try row.get("n_\(index)_\(place)")
        found[channel] = Int((Double(count) * scale).rounded())
      }
      return found
    }
  }
}
