import Conditions
import Foundation
import JSON

/// What operators write: who gets which actions, when and why. This holds what was understood of
/// the JSON document; the document itself is what is stored and hashed.
public struct PlanDocument: Sendable {
  public let name: String
  public let goals: [Goal]
  public let messageClass: MessageClass
  public let category: String?
  /// 0…100, 50 when not said.
  public let priority: Int
  public let trigger: Trigger
  public let audience: Condition?
  /// Nil: as often as the trigger says.
  public let reentry: Reentry?
  public let window: Window?
  public let steps: [Step]
  public let experiment: Experiment?
  /// Share of the people kept out for comparison, 0..<1.
  public let holdout: Double
  public let limits: Limits
  public let quietHours: QuietHours?
  let pressure: Pressure
  public let exit: Exit

  public struct Goal: Sendable {
    public enum Stage: String, Sendable, CaseIterable { case acquire, convert, retain, recall }
    public let stage: Stage
    public let event: String
    public let within: TimeSpan
    public let primary: Bool
    public let targetRate: Double?
  }

  /// Entries and hand-overs happen within [from, until) only.
  public struct Window: Sendable {
    public let from: Date?
    public let until: Date?
  }

  public struct Limits: Sendable {
    /// A crowd larger than this is not launched.
    public let audience: Int?
    public let perMinute: Int?
    /// Most codes this plan may issue, by coupon.
    public let coupons: [String: Int]
    /// Launch although the stock may not last.
    public let allowPartialStock: Bool
  }

  public struct Link: Sendable, Equatable {
    /// Its place in the chain as written, for pointers.
    let index: Int
    public let channel: Channel
    /// Of a template; nil on a coupon link.
    public let template: String?
    public let coupon: String?
    /// When the link before was sent: wait this long for `unless`, then go on to this link.
    public let after: TimeSpan?
    public let unless: Receipt.Event?
  }

  public func step(_ id: String) -> Step? { steps.first { $0.id == id } }

  /// Keys of all templates and coupons named.
  public var templates: Set<String> {
    Set(steps.flatMap(\.chain).compactMap(\.template))
      .union(experiment?.variants.flatMap(\.templates.values) ?? [])
  }
  public var coupons: Set<String> { Set(steps.flatMap(\.chain).compactMap(\.coupon)) }
  /// A link waits for a receipt of the one before.
  var followsUp: Bool { steps.flatMap(\.chain).contains { $0.after != nil } }
  public var channels: Set<Channel> { Set(steps.flatMap(\.chain).map(\.channel)) }
  /// Keys of the tags that steps set or take away.
  public var tags: Set<String> {
    Set(
      steps.flatMap { step -> [String] in
        if case .tag(let tag) = step.action {
          [tag.add, tag.remove].compactMap(\.self)
        } else {
          []
        }
      })
  }
}

/// Hours of the day in which nothing marketing is handed over.
public struct QuietHours: Sendable, Equatable {
  public enum OnHit: String, Sendable, CaseIterable {
    /// Skipped with the reason `quiet_hours`.
    case drop
    /// Kept until the hours are over.
    case `defer`
  }
  /// Minutes since local midnight; `from` > `until` spans midnight.
  public let from: Int
  public let until: Int
  /// An IANA name, or nil for the user's own.
  public let zone: String?
  public let onHit: OnHit

  public init(from: Int, until: Int, zone: String?, onHit: OnHit) {
    self.from = from
    self.until = until
    self.zone = zone
    self.onHit = onHit
  }
}
