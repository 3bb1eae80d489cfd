import Foundation
import JSON

/// When Herald pauses a plan by itself; a part of the settings. Nil: not for this reason.
public struct PlanGuard: Sendable, Equatable {
  public enum Reason: String, Sendable, CaseIterable {
    /// More people than were approved.
    case audienceGrowth = "audience_growth"
    case errorRate = "error_rate"
    case unsubscribeRate = "unsubscribe_rate"
  }

  /// A share of the approved size that may come on top of it.
  public var audienceGrowth: Double?
  /// Hand-overs that failed for good or whose end is unknown, as a share of those that ended.
  public var errorRate: Double?
  /// People who unsubscribed by a message of the plan, as a share of those it was sent to.
  public var unsubscribeRate: Double?
  /// The time the rates look back over.
  public var within = PlanGuard.hour
  /// With fewer hand-overs no rate is formed.
  public var minDeliveries = 100

  public init() {}

  /// More people than this are too many, when `approved` were.
  func mostPeople(approved: Int) -> Int? {
    audienceGrowth.map { growth in
      let most = (Double(approved) * (1 + growth)).rounded(.down)
      return Int(exactly: min(most, 1e15)) ?? .max
    }
  }

  /// What a crowd of this size is refused for; nil when it may go.
  func judge(people: Int, approved: Int) -> PlanPause? {
    guard let most = mostPeople(approved: approved), people > most else { return nil }
    return PlanPause(
      reason: .audienceGrowth,
      detail:
        "\(people) people are there for what was approved for \(approved); up to \(most) may be",
      values: [
        "people": .int(people), "approved": .int(approved), "limit": .int(most),
      ])
  }

  /// What is seen of a plan over the last while.
  struct Seen: Sendable, Equatable {
    var sent = 0
    var failed = 0
    var unknown = 0
    var unsubscribed = 0
  }

  func judge(_ seen: Seen) -> PlanPause? {
    let ended = seen.sent + seen.failed + seen.unknown
    let errors = seen.failed + seen.unknown
    if let errorRate, ended >= minDeliveries, Double(errors) > errorRate * Double(ended) {
      return PlanPause(
        reason: .errorRate,
        detail: "\(errors) of \(ended) hand-overs failed in the last \(within)",
        values: [
          "failed": .int(seen.failed), "unknown": .int(seen.unknown), "ended": .int(ended),
          "limit": .double(errorRate),
        ])
    }
    if let unsubscribeRate, seen.sent >= minDeliveries,
      Double(seen.unsubscribed) > unsubscribeRate * Double(seen.sent)
    {
      return PlanPause(
        reason: .unsubscribeRate,
        detail: "\(seen.unsubscribed) unsubscribed of \(seen.sent) reached in the last \(within)",
        values: [
          "unsubscribed": .int(seen.unsubscribed), "sent": .int(seen.sent),
          "limit": .double(unsubscribeRate),
        ])
    }
    return nil
  }
}

/// Why Herald paused a plan, with what it saw.
struct PlanPause: Sendable, Equatable {
  let reason: PlanGuard.Reason
  let detail: String
  let values: JSONValue

  /// As the version's reason: the word, then the sentence.
  var text: String { "\(reason.rawValue): \(detail)" }
}

/// One that was made.
public struct StoredPause: Sendable {
  public let plan: String
  public let version: Int
  public let at: Date
  let pause: PlanPause
  public let inFlight: Int
}
