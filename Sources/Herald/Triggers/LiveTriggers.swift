import Foundation
import JSON
import Postgres
import Synchronization

/// Which plans an event concerns, kept in memory and checked against `plans_epoch` in every
/// transaction that asks.
final class LiveTriggers: Sendable {
  /// A live version that people enter by an event.
  struct Candidate: Sendable {
    let plan: ApprovedPlan
    let trigger: EventTrigger
  }

  struct Table: Sendable {
    var epoch: Int
    /// By the event's name.
    var candidates: [String: [Candidate]] = [:]
    /// Events that somebody in a plan may be waiting for.
    var awaited: Set<String> = []
  }

  private let plans: ApprovedPlans
  private let table = Mutex<Table?>(nil)

  init(plans: ApprovedPlans) { self.plans = plans }

  func current(in tx: Transaction) throws -> Table {
    let epoch = try PlanStore.epoch(in: tx)
    if let known = table.withLock({ $0 }), known.epoch == epoch { return known }
    var fresh = Table(epoch: epoch)
    for (name, takesPeople) in try PlanStore.inhabited(in: tx) {
      let plan = try plans.get(name.plan, name.version, in: tx)
      fresh.awaited.formUnion(plan.document.awaitedEvents)
      guard takesPeople, case .event(let trigger) = plan.document.trigger else { continue }
      fresh.candidates[trigger.event, default: []].append(Candidate(plan: plan, trigger: trigger))
    }
    table.withLock { $0 = fresh }
    return fresh
  }
}
