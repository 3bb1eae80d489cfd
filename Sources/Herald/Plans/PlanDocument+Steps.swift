import Conditions
import Foundation
import JSON

extension PlanDocument {
  /// One node of a plan.
  public struct Step: Sendable {
    /// Its place in the document, for pointers.
    let index: Int
    public let id: String
    public let action: Action
    /// Where people go from here when the action does not say; nil at the end. Always a later step,
    /// so that nobody walks in a circle.
    public let next: Successor?

    public var kind: Kind { action.kind }
    var asSuccessor: Successor { Successor(id: id, kind: kind) }

    /// The links of a send or a webhook; none of other steps.
    public var chain: [Link] {
      switch action {
      case .send(let chain, _): chain
      case .webhook(let link, _): [link]
      default: []
      }
    }
    /// Of a send, counted from the step's entry: what is later than this is skipped as `expired`.
    public var notAfter: TimeSpan? { if case .send(_, let limit) = action { limit } else { nil } }
  }

  /// A step as others lead to it.
  public struct Successor: Sendable, Hashable {
    public let id: String
    public let kind: Step.Kind
  }

  /// What a step does, with the ways out of it that are its own.
  public enum Action: Sendable {
    case send([Link], notAfter: TimeSpan?)
    /// A message to another system, whose answer names the way. Without one of these results, `next`.
    case webhook(Link, results: [(name: String, then: Successor?)])
    case wait(TimeSpan)
    case waitUntil(WaitUntil, then: Successor?, otherwise: Successor?)
    /// The first way whose test holds.
    case branch([Way], otherwise: Successor?)
    /// By a salted bucket of the person: the same person takes the same way each time.
    case split([Share], otherwise: Successor?)
    case updateUser(AttributeChanges)
    case tag(TagChange)
    /// Leaves the plan.
    case exit(reason: String)

    var kind: Step.Kind {
      switch self {
      case .send: .send
      case .webhook: .webhook
      case .wait: .wait
      case .waitUntil: .waitUntil
      case .branch: .branch
      case .split: .split
      case .updateUser: .updateUser
      case .tag: .tag
      case .exit: .exit
      }
    }
  }

  public enum WaitUntil: Sendable {
    case event(AwaitedEvent)
    case instant(Date)
    /// The next time the clocks on the wall show this minute of the day, in a zone or (nil) the
    /// user's own.
    case timeOfDay(minute: Int, zone: String?)
  }

  public struct AwaitedEvent: Sendable {
    /// From when on the event counts.
    public enum Since: String, Sendable, CaseIterable { case entry, step }

    public let name: String
    public let filters: [PropertyCondition]
    /// A property that must be there and equal to that of the entry.
    public let same: String?
    public let since: Since
    /// Counted from the step's entry.
    public let timeout: TimeSpan
  }

  public struct Way: Sendable {
    /// Its place in the branch as written, for pointers.
    let index: Int
    public let test: Test
    public let then: Successor?
  }

  /// All that is given must hold.
  public struct Test: Sendable {
    public let condition: Condition?
    /// Of the properties the person entered with.
    public let filters: [PropertyCondition]
    public let result: (step: String, is: StepResult)?
  }

  /// How an earlier send step ended, or what providers said of it since.
  public enum StepResult: Sendable, Hashable {
    case status(DeliveryStatus)
    case receipt(Receipt.Event)
  }

  public struct Share: Sendable {
    /// Buckets of 10,000.
    public let buckets: Range<Int>
    public let then: Successor?
  }

  public struct TagChange: Sendable {
    public let add: String?
    /// `true` for a flag.
    public let value: JSONValue
    public let remove: String?
  }

  /// When people leave before the end.
  public struct Exit: Sendable {
    /// As soon as a goal's event happens within its time, unless a `wait_until` step waited for it.
    public let onGoal: Bool
    /// When the crowd's segment or the audience no longer holds of them.
    public let onLeavingAudience: Bool

    static let never = Exit(onGoal: false, onLeavingAudience: false)
  }
}

extension PlanDocument.Step {
  public enum Kind: String, Sendable, CaseIterable {
    case send, webhook, wait
    case waitUntil = "wait_until"
    case branch, split
    case updateUser = "update_user"
    case tag, exit

    /// Whether people who come to it get a delivery; others have a visit.
    var delivers: Bool { self == .send || self == .webhook }
  }

  /// Where people go whose message was taken with this answer.
  func next(after result: String?) -> PlanDocument.Successor? {
    guard case .webhook(_, let results) = action, let result,
      let way = results.first(where: { $0.name == result })
    else { return next }
    return way.then
  }

  /// The place of a link in the document.
  func place(of link: PlanDocument.Link) -> JSONPointer {
    kind == .webhook
      ? JSONPointer(tokens: ["steps", String(index), "webhook"])
      : JSONPointer(tokens: ["steps", String(index), "send", "chain", String(link.index)])
  }

  /// Every way out, nil for the end.
  var successors: [PlanDocument.Successor?] {
    switch action {
    case .waitUntil(.event, let then, let otherwise): [then, otherwise]
    case .waitUntil(_, let then, _): [then]
    case .branch(let ways, let otherwise): ways.map(\.then) + [otherwise]
    case .split(let shares, let otherwise):
      shares.map(\.then) + (shares.last?.buckets.upperBound == 10_000 ? [] : [otherwise])
    case .webhook(_, let results): results.map(\.then) + [next]
    case .exit: [nil]
    case .send, .wait, .updateUser, .tag: [next]
    }
  }

  /// The conditions of its ways, with their positions.
  var conditions: [(way: Int, condition: Condition)] {
    guard case .branch(let ways, _) = action else { return [] }
    return ways.compactMap { way in way.test.condition.map { (way.index, $0) } }
  }
}
