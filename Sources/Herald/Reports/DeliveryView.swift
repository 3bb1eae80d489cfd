import Foundation
import JSON

/// A delivery of a plan as operators look at it.
struct DeliveryView: Sendable {
  let id: UUID
  let user: UUID
  let run: UUID
  let step: String
  let status: String
  let reason: String?
  let gate: String?
  let values: JSONValue?
  let channel: String?
  let sender: String?
  let providerID: String?
  let possiblyDuplicate: Bool
  let createdAt: Date
  let settledAt: Date?
  var attempts: [ExplainedAttempt] = []
}

/// Which deliveries are asked for; what is nil does not matter.
struct DeliveryFilter: Sendable {
  var run: UUID?
  var status: String?
  var step: String?
  var channel: String?
  var reason: String?
}

/// What a retry came to.
struct RetryOutcome: Sendable {
  let retried: Int
  /// Deliveries that match and stay as they are, by why: `cancelled` (the run or the plan),
  /// `exited` (the person left the plan), `went_on` (the person is at a later step).
  let notRetried: [String: Int]
}
