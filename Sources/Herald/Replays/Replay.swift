import Foundation
import JSON

/// A plan run over a past period with a moved clock: who would have got what, and when.
struct Replay: Sendable {
  /// [from, until): what makes people enter lies in it, and the clock stops at its end.
  struct Period: Sendable {
    let from: Date
    let until: Date
  }

  /// Happenings that make people enter, and events that may concern them, that one replay looks at.
  static let mostEntries = 5_000
  static let mostEvents = 200_000

  enum Outcome: String, Sendable, CaseIterable {
    /// Handed over, with channel and template or coupon.
    case sent
    /// Not sent, or not let in (without a step), and why.
    case skipped
    case heldOut = "held_out"
    /// Left the plan, and why.
    case exited
    /// Still to be sent when the clock stopped.
    case pending
  }

  struct Line: Sendable, Equatable {
    let at: Date
    let user: UUID
    var step: String?
    let outcome: Outcome
    var code: String?
    var channel: Channel?
    /// Of a template, or of a coupon.
    var content: String?
    var arm: String?
  }

  let plan: String
  let version: Int
  let period: Period
  /// By time, then by person.
  let lines: [Line]
  let people: Account.People
}

/// One who comes to a plan in a replay.
struct ReplayEntrant: Sendable {
  let user: UUID
  let at: Date
  /// Of the event; nil in a crowd.
  var event: ReplayEvent?
  var key: JSONValue?
}

struct ReplayEvent: Sendable {
  let user: UUID
  let id: UUID
  let name: String
  let at: Date
  let properties: JSONObject
}
