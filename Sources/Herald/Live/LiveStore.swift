import Foundation
import JSON
import Postgres

/// The counts of a plan that runs, over the rows of its open runs.
enum LiveStore {
  /// Kinds of refusals that are shown.
  static let refusals = 10
  /// Open runs that are counted; the latest.
  private static let openRuns = 50

  static func snapshot(
    _ key: String, scope: ReportScope, now: Date, in tx: Transaction
  ) throws -> LiveSnapshot {
    let plan = try PlanStore.load(key, in: tx)
    let state = try plan.liveVersion.map { try PlanStore.version(key, $0, in: tx).state }
    let runs = try openRuns(key, in: tx)
    let ids = runs.map(\.id)
    var people = try people(ids, scope, in: tx)
    let decided = people.values.reduce(0, +)
    // A crowd is frozen before its people are decided on; whose they are is not asked here.
    let targeted = runs.reduce(0) { $0 + $1.targeted }
    let isEntering = runs.contains { $0.isEntering }
    people["undecided"] =
      isEntering && scope.isEverybody ? max(0, targeted - decided) : 0
    let (deliveries, refusals) = try deliveries(ids, scope, in: tx)
    return LiveSnapshot(
      plan: key, at: now, state: state, paused: plan.paused,
      pause: try PlanGuardStore.find(key, in: tx),
      stopped: try StopStore.list(in: tx).map(\.scope), runs: runs.count, people: people,
      deliveries: deliveries, followUps: try followUps(ids, scope, in: tx),
      inFlight: scope.isEverybody ? try QueueStore.inFlight(plan: key, in: tx) : 0,
      refusals: refusals)
  }

  private static func openRuns(
    _ plan: String, in tx: Transaction
  ) throws -> [(id: UUID, targeted: Int, isEntering: Bool)] {
    let rows = try tx.query(
      """
      WITH open AS (
        SELECT id, targeted, state FROM runs
        WHERE plan = \(plan) AND state IN ('entering', 'running')
        ORDER BY started_at DESC LIMIT \(openRuns))
      SELECT id, targeted, state FROM open
      UNION ALL (SELECT id, targeted, state FROM runs
        WHERE plan = \(plan) AND NOT EXISTS (SELECT FROM open)
        ORDER BY started_at DESC LIMIT 1)
      """)
    return try rows.map {
      (try $0.get("id"), try $0.get("targeted"), try $0.get("state", as: String.self) == "entering")
    }
  }

  private static func people(
    _ runs: [UUID], _ scope: ReportScope, in tx: Transaction
  ) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    let rows = try tx.query(
      """
      SELECT e.state, count(*) AS n FROM enrolments e
      WHERE e.run_id = ANY(\(runs)) AND \(scope.admits("e")) GROUP BY e.state
      """)
    for row in rows { counts[try row.get("state")] = try row.get("n", as: Int.self) }
    return counts
  }

  private static func followUps(
    _ runs: [UUID], _ scope: ReportScope, in tx: Transaction
  ) throws -> Int {
    try tx.one(
      """
      SELECT count(*) - count(DISTINCT a.delivery_id) AS n FROM attempts a
      WHERE a.run_id = ANY(\(runs)) AND a.status = 'sent' AND \(scope.admits("a"))
      """)?.get("n") ?? 0
  }

  private static func deliveries(
    _ runs: [UUID], _ scope: ReportScope, in tx: Transaction
  ) throws -> (counts: [String: Int], refusals: [LiveSnapshot.Refusal]) {
    var counts: [String: Int] = [:]
    var refused: [LiveSnapshot.Refusal] = []
    let rows = try tx.query(
      """
      SELECT d.step_id, d.channel, d.status, d.reason, count(*) AS n, max(d.settled_at) AS last
      FROM deliveries d WHERE d.run_id = ANY(\(runs)) AND \(scope.admits("d"))
      GROUP BY d.step_id, d.channel, d.status, d.reason
      """)
    for row in rows {
      let status: String = try row.get("status")
      let count: Int = try row.get("n")
      counts[status, default: 0] += count
      guard let reason = try row.get("reason", as: String?.self),
        let at = try row.get("last", as: Date?.self), status != DeliveryStatus.sent.rawValue
      else { continue }
      refused.append(
        LiveSnapshot.Refusal(
          at: at, step: try row.get("step_id"), channel: try row.get("channel"), status: status,
          reason: reason, count: count))
    }
    refused.sort { ($0.at, $0.step, $0.reason) > ($1.at, $1.step, $1.reason) }
    return (counts, Array(refused.prefix(refusals)))
  }
}
