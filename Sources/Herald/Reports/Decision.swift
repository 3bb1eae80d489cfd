import Foundation
import JSON

/// One thing that was decided about a person in a plan, with what was seen.
struct Decision: Sendable {
  enum Outcome: String, Sendable, CaseIterable {
    // About the person.
    case notTargeted = "not_targeted"
    case entered
    case heldOut = "held_out"
    case finished, exited
    // About a delivery; `skipped` also of a person refused at entry, `pending` of one undecided.
    case pending, sent, failed, skipped, unknown
    // About a step that sends nothing, besides `failed` and `exited`; its gate is what it does.
    case waiting, passed
  }

  let run: UUID?
  let at: Date
  var step: String?
  let outcome: Outcome
  /// A gate of the deliveries, or what decides entry: `plan`, `segment`, `audience`, `window`,
  /// `holdout`, `reentry`, `limits`, `user`.
  var gate: String?
  var code: String?
  var values: JSONValue?
  var delivery: UUID?
  var channel: String?
  var sender: String?
  /// Of the plan's experiment.
  var arm: String?
  var attempts: [ExplainedAttempt] = []

  /// Which gate of the entry a code stands for.
  static func entryGate(_ code: String?) -> String? {
    switch code.flatMap(SkipCode.init(rawValue:)) {
    case .notInAudience: "audience"
    case .outsideWindow: "window"
    case .reentryLimit: "reentry"
    case .audienceLimit: "limits"
    case .unlessHappened: Gate.trigger.rawValue
    case .erased, .merged: "user"
    case .cancelled: Gate.stopped.rawValue
    case .goalReached, .leftAudience: Gate.exit.rawValue
    default: nil
    }
  }
}

/// One try at one link of a chain, or the link's being passed over.
struct ExplainedAttempt: Sendable {
  let link: Int
  let channel: String
  let sender: String?
  let status: String
  let reason: String?
  let providerID: String?
  let at: Date
}

/// All that was decided about one person in one plan, oldest first.
struct Explanation: Sendable {
  let user: UUID
  let plan: String
  let decisions: [Decision]
}
