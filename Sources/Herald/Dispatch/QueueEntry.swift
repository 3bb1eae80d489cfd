import Foundation
import JSON

/// One claimed piece of work of one enrolment: a delivery at one link of its chain, a step that sends
/// nothing, or a timer before the first step.
struct QueueEntry: Sendable {
  enum Phase: String, Sendable, CaseIterable {
    /// Decide whether the person goes on to the first step.
    case entry
    /// Carry out a step that sends nothing, or look whether its wait is over.
    case step
    /// Hand the link's message over.
    case send
    /// A sent link's `after` is over: look for the receipt, else go on to the next link.
    case followUp = "follow_up"
    /// Wait for the winner of a race; then as `send`.
    case race
  }

  /// The key of its row.
  struct Key: Hashable, Sendable {
    let lane: Int
    let id: UUID
  }

  let lane: Int
  /// Of the delivery; in the phases `entry` and `step`, of the work alone.
  let deliveryID: UUID
  let userID: UUID
  let runID: UUID
  let entryKey: String
  let stepID: String
  let occurrence: Int
  let enteredAt: Date
  let stepEnteredAt: Date
  let plan: String
  let planVersion: Int
  let priority: Int
  let link: Int
  let phase: Phase
  let tries: Int
  let claims: Int
  let sender: String?
  let content: JSONValue?
  /// Set: it was about to be handed over, or was, and nobody said how that ended.
  let handedOverAt: Date?

  var isDelivery: Bool { phase == .send || phase == .followUp || phase == .race }
  var isInDoubt: Bool { handedOverAt != nil }
  var key: Key { Key(lane: lane, id: deliveryID) }
  var enrolment: EnrolmentName { EnrolmentName(user: userID, run: runID, entryKey: entryKey) }
  var planName: PlanVersionName { PlanVersionName(plan: plan, version: planVersion) }

  /// Stable over retries and crashes: one per delivery and link.
  var idempotencyKey: String { "\(deliveryID.text)-\(link)" }
}

/// A person's way through a run, by name: the same person may enter one run several times.
struct EnrolmentName: Hashable, Sendable {
  let user: UUID
  let run: UUID
  let entryKey: String
}
