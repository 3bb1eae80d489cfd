import Foundation
import JSON

/// One claimed piece of work: a delivery at one link of its chain.
struct QueueEntry: Sendable {
  enum Phase: String, Sendable, CaseIterable {
    /// Hand the link's message over.
    case send
    /// A sent link's `after` is over: look for the receipt, else go on to the next link.
    case followUp = "follow_up"
  }

  let lane: Int
  let deliveryID: UUID
  let userID: UUID
  let runID: UUID
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

  var isInDoubt: Bool { handedOverAt != nil }
  var planName: PlanVersionName { PlanVersionName(plan: plan, version: planVersion) }

  /// Stable over retries and crashes: one per delivery and link.
  var idempotencyKey: String { "\(deliveryID.text)-\(link)" }
}
