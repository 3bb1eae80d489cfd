import Cryptography
import Foundation
import JSON

/// A condition's truth for one user, with the reasons.
public struct Evaluation: Sendable, Equatable {
  public let isTrue: Bool
  /// The condition's own JSON with `"true"` on every node and `"value"`, what was seen, on leaves.
  public let json: JSONValue
}

extension Condition {
  /// Evaluates every node, for an explanation.
  public func evaluate(_ person: PersonFacts, at now: Date) -> Evaluation {
    explain { $0.look(person, LocalClock(now: now, zone: person.zone)) }
  }

  /// The truth alone; stops where it is decided.
  public func holds(for person: PersonFacts, at now: Date) -> Bool {
    holds { $0.look(person, LocalClock(now: now, zone: person.zone)).isTrue }
  }

  /// The boolean part alone: `leaf` says whether a leaf is true, for instance from a query that
  /// evaluated it for many users at once.
  public func holds<Failure: Error>(
    _ leaf: (Condition) throws(Failure) -> Bool
  ) throws(Failure) -> Bool {
    switch self {
    case .all(let parts):
      for part in parts where try !part.holds(leaf) { return false }
      return true
    case .any(let parts):
      for part in parts where try part.holds(leaf) { return true }
      return false
    case .not(let part): return try !part.holds(leaf)
    default: return try leaf(self)
    }
  }

  /// The tree of an explanation from the leaves' truths and values.
  public func explain<Failure: Error>(
    _ leaf: (Condition) throws(Failure) -> (isTrue: Bool, value: JSONValue)
  ) throws(Failure) -> Evaluation {
    switch self {
    case .all(let parts):
      var inner: [Evaluation] = []
      for part in parts { inner.append(try part.explain(leaf)) }
      let isTrue = inner.allSatisfy(\.isTrue)
      return Evaluation(
        isTrue: isTrue, json: ["all": .array(inner.map(\.json)), "true": .bool(isTrue)])
    case .any(let parts):
      var inner: [Evaluation] = []
      for part in parts { inner.append(try part.explain(leaf)) }
      let isTrue = inner.contains(where: \.isTrue)
      return Evaluation(
        isTrue: isTrue, json: ["any": .array(inner.map(\.json)), "true": .bool(isTrue)])
    case .not(let part):
      let inner = try part.explain(leaf)
      return Evaluation(
        isTrue: !inner.isTrue, json: ["not": inner.json, "true": .bool(!inner.isTrue)])
    default:
      let seen = try leaf(self)
      var members = json.objectValue ?? [:]
      members["true"] = .bool(seen.isTrue)
      members["value"] = seen.value
      return Evaluation(isTrue: seen.isTrue, json: .object(members))
    }
  }

  /// A leaf's truth and what was seen. Called for leaves only.
  private func look(
    _ person: PersonFacts, _ clock: LocalClock
  ) -> (isTrue: Bool, value: JSONValue) {
    switch self {
    case .all, .any, .not: return (holds { $0.look(person, clock).isTrue }, .null)
    case .attribute(let test):
      let value = person.attributes[test.key]
      return (test.comparisons.allSatisfy { $0.holds(for: value, clock: clock) }, value ?? .null)
    case .tag(let test): return test.look(person, clock)
    case .event(let test): return test.measure(person, clock: clock)
    case .sequence(let test):
      let chain = test.chain(person, clock: clock)
      return (chain != nil, chain.map { .array($0.map { .string($0.rfc3339) }) } ?? .null)
    case .consent(let test):
      let answer = person.consents[test.channel] ?? .unknown
      return (answer == test.answer, .string(answer.rawValue))
    case .reachable(let channel):
      let isReachable = person.reachable.contains(channel)
      return (isReachable, .bool(isReachable))
    case .segment(let key):
      let isMember = person.segments.contains(key)
      return (isMember, .bool(isMember))
    case .received(let test):
      let last = person.received
        .filter { $0.plan == test.plan && clock.contains($0.time, in: test.within) }
        .map(\.time).max()
      return (last != nil, .optional(last?.rfc3339))
    case .bucket(let test):
      let bucket = Bucket.of(salt: test.salt, unit: person.userID)
      return (test.range.contains(bucket), .int(bucket))
    }
  }
}

extension TagCondition {
  fileprivate func look(
    _ person: PersonFacts, _ clock: LocalClock
  ) -> (isTrue: Bool, value: JSONValue) {
    var tag = person.tags[key]
    if let expiry = tag?.expiresAt, expiry <= clock.now { tag = nil }
    let isTrue = comparisons.allSatisfy { comparison in
      if case .exists(let expected) = comparison { return (tag != nil) == expected }
      return comparison.holds(for: tag?.value, clock: clock)
    }
    return (isTrue, tag?.value ?? .null)
  }
}
