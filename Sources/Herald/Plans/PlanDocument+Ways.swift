import Conditions
import Foundation
import JSON

/// What can be said of all ways through a plan together. Steps lead to later ones only, so that one
/// pass from the end does.
extension PlanDocument {
  /// Steps no way from the first one leads to.
  static func unreachable(_ steps: [Step]) -> [Step] {
    var reached: Set<String> = steps.first.map { [$0.id] } ?? []
    for step in steps where reached.contains(step.id) {
      reached.formUnion(step.successors.compactMap { $0?.id })
    }
    return steps.filter { !reached.contains($0.id) }
  }

  /// The value of the whole plan, made up from the end: `value` of a step and of the `best` way out.
  private func fold<T>(_ end: T, best: (T, T) -> T, _ value: (Step, T) -> T) -> T {
    var values: [String: T] = [:]
    for step in steps.reversed() {
      let onward = step.successors.map { $0.flatMap { values[$0.id] } ?? end }
      values[step.id] = value(step, onward.dropFirst().reduce(onward.first ?? end, best))
    }
    return steps.first.flatMap { values[$0.id] } ?? end
  }

  /// Codes of a coupon that one person gets on the way with the most (`max`) or fewest (`min`) of
  /// them. A coupon further down a chain is for those only whom nothing else reached: not counted.
  func codes(_ coupon: String, _ pick: (Int, Int) -> Int) -> Int {
    fold(0, best: pick) { step, onward in onward + (step.chain.first?.coupon == coupon ? 1 : 0) }
  }

  /// Codes of a coupon that one person may get at most, when nothing earlier in a chain reaches them.
  func mostCodes(_ coupon: String) -> Int {
    fold(0, best: max) { step, onward in
      onward + (step.chain.contains { $0.coupon == coupon } ? 1 : 0)
    }
  }

  /// Seconds that the longest way waits, as far as the document says; times of the day count as a day.
  func longestWait(from now: Date) -> TimeInterval {
    fold(0, best: max) { step, onward in
      switch step.action {
      case .wait(let span): onward + Double(span.seconds)
      case .waitUntil(.event(let awaited), _, _): onward + Double(awaited.timeout.seconds)
      case .waitUntil(.instant(let instant), _, _):
        max(onward, onward + instant.timeIntervalSince(now))
      case .waitUntil(.timeOfDay, _, _): onward + 86_400
      case .send(let chain, _):
        onward + chain.reduce(0) { $0 + Double($1.after?.seconds ?? 0) }
      case .branch, .split, .updateUser, .tag, .exit: onward
      }
    }
  }

  /// Whether people take different ways, so that nobody knows yet who comes to which step.
  var isForeseeable: Bool {
    steps.allSatisfy { Set($0.successors).count < 2 } && !exit.onGoal && !exit.onLeavingAudience
  }

  /// Names of events that somebody in the plan may be waiting for.
  var awaitedEvents: Set<String> {
    var names = trigger.awaitedEvents
    if exit.onGoal { names.formUnion(goals.map(\.event)) }
    for step in steps {
      if case .waitUntil(.event(let awaited), _, _) = step.action { names.insert(awaited.name) }
    }
    return names
  }

  /// Who belongs to the plan while they are in it; nil when it asks for nothing.
  var belonging: Condition? {
    let parts = [trigger.segment.map { Condition.segment(key: $0) }, audience].compactMap { $0 }
    return parts.isEmpty ? nil : .all(parts)
  }

  /// Steps that wait for an event of this name: who passed one by it has had their answer.
  func answering(_ event: String) -> Set<String> {
    Set(
      steps.filter { step in
        if case .waitUntil(.event(let awaited), _, _) = step.action {
          awaited.name == event
        } else {
          false
        }
      }.map(\.id))
  }

  /// Goals whose event ends the way of whoever is at `step`.
  func exitGoals(at step: String) -> [Goal] {
    exit.onGoal ? goals.filter { !answering($0.event).contains(step) } : []
  }
}
