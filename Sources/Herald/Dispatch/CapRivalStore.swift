import Foundation
import Postgres

/// What is due besides a batch to the same people, from plans of higher priority.
enum CapRivalStore {
  /// By the id the rows are for. `plan` loads an approved version.
  static func rivals(
    of batch: [QueueEntry], now: Date, in tx: Transaction,
    plan: (PlanVersionName) throws -> ApprovedPlan
  ) throws -> [UUID: [CapRival]] {
    guard let least = batch.map(\.priority).min(), least < 100 else { return [:] }
    // By queue_due_idx, which has the priority: rows of no higher one are not visited.
    let rows = try tx.query(
      """
      SELECT user_id, delivery_id, plan, plan_version, step_id, link, priority FROM queue
      WHERE lane = ANY(\(Set(batch.map(\.lane)).map(Int16.init(clamping:)))) AND due_at <= \(now) AND priority > \(least)
        AND user_id = ANY(\(Array(Set(batch.map(\.userID))))) AND phase = 'send'
      """)
    let own = Set(batch.map(\.deliveryID))
    var rivals: [UUID: [CapRival]] = [:]
    for row in rows {
      let delivery: UUID = try row.get("delivery_id")
      guard !own.contains(delivery) else { continue }
      let approved = try plan(
        PlanVersionName(plan: row.get("plan"), version: row.get("plan_version")))
      let link: Int = try row.get("link")
      let chain = approved.step(try row.get("step_id"))?.chain ?? []
      guard approved.isCapped, chain.indices.contains(link) else { continue }
      let document = approved.document
      rivals[try row.get("user_id"), default: []].append(
        CapRival(
          use: CapUse(
            at: now, delivery: delivery, link: link, channel: chain[link].channel,
            category: document.category, plan: approved.key,
            exclusion: document.pressure.exclusion?.group), priority: try row.get("priority")))
    }
    return rivals
  }
}
