import Foundation
import Postgres

/// Decides on those who wait before their first step, and again on those about to get what the first
/// step sends: did what must not follow their event come about, late or out of order?
struct EntryTimers {
  let plans: ApprovedPlans
  let projectZone: String
  let now: Date

  enum Verdict {
    /// On to the first step.
    case proceed
    /// Looked at too early: somebody's event may have been another one.
    case wait(until: Date)
    case ended(at: Date)
  }

  /// Verdicts about those of `entries` that are subject to one. Their rows must be locked.
  func decide(_ entries: [QueueEntry], in tx: Transaction) throws -> [UUID: Verdict] {
    var verdicts: [UUID: Verdict] = [:]
    let byPlan = Dictionary(grouping: entries.filter { !$0.isInDoubt }, by: \.planName)
    for (name, entries) in byPlan {
      let document = try plans.get(name.plan, name.version, in: tx).document
      let subject = entries.filter { entry in
        entry.phase == .entry
          || entry.phase == .send && entry.link == 0 && entry.stepID == document.steps.first?.id
      }
      guard case .event(let trigger) = document.trigger, let unless = trigger.unless else {
        for entry in subject where entry.phase == .entry { verdicts[entry.deliveryID] = .proceed }
        continue
      }
      guard !subject.isEmpty else { continue }
      let timers = try EntryTimerStore.look(
        subject.map(\.enrolment), unless, projectZone: projectZone, now: now, in: tx)
      for entry in subject {
        guard let timer = timers[entry.enrolment] else { continue }
        verdicts[entry.deliveryID] = verdict(timer, trigger.hold, of: entry)
      }
    }
    return verdicts
  }

  private func verdict(
    _ timer: EntryTimerStore.Timer, _ hold: Double, of entry: QueueEntry
  ) -> Verdict {
    if let ended = timer.ended { return .ended(at: ended) }
    let due = timer.since.addingTimeInterval(hold)
    return entry.phase == .entry && due > now ? .wait(until: due) : .proceed
  }
}
