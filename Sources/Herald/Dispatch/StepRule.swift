import Conditions
import Cryptography
import Foundation
import JSON

/// Decides, from facts alone, what a step that sends nothing comes to now. To be asked again whenever
/// its row is due: it depends on no earlier answer.
struct StepRule {
  struct Facts {
    let plan: String
    /// Of the enrolment; buckets hash it.
    let user: UUID
    let isErased: Bool
    /// The person's, else the project's.
    let zone: TimeZone
    /// What the person entered with.
    let properties: JSONObject
    /// The events that may end the wait, oldest first.
    let events: [JourneyStore.Happening]
    /// Positions of the ways whose condition holds.
    let holding: Set<Int>
    /// Earlier sends by step.
    let sent: [String: JourneyStore.Sent]
    /// Receipts of them that were asked for.
    let receipts: Set<ReceiptName>
    /// Events that end the person's way through the plan, wherever they wait.
    let exitEvents: [String]
  }

  struct ReceiptName: Hashable {
    let delivery: UUID
    let event: Receipt.Event
  }

  enum Decision {
    case pass(to: PlanDocument.Successor?, outcome: String, values: JSONValue?)
    /// To be looked at again then, or when one of the events arrives.
    case wait(until: Date, events: [String])
    /// Change the person, then pass.
    case change(UserChange, to: PlanDocument.Successor?)
    case fail(to: PlanDocument.Successor?, reason: String)
    case leave(reason: String)
  }

  let now: Date

  func decide(
    _ step: PlanDocument.Step, arrivedAt: Date, _ facts: Facts
  ) -> Decision {
    switch step.action {
    case .wait(let span):
      let end = arrivedAt.addingTimeInterval(Double(span.seconds))
      return wait(until: end, step.next, facts)
    case .waitUntil(.instant(let end), let then, _): return wait(until: end, then, facts)
    case .waitUntil(.timeOfDay(let minute, let zone), let then, _):
      let zone = zone.flatMap(TimeZone.init(identifier:)) ?? facts.zone
      return wait(
        until: Self.instant(of: minute, notBefore: arrivedAt, in: zone), then, facts)
    case .waitUntil(.event(let awaited), let then, let otherwise):
      return wait(for: awaited, arrivedAt, then: then, otherwise: otherwise, facts)
    case .branch(let ways, let otherwise):
      for (place, way) in ways.enumerated() where holds(way.test, place, facts) {
        return .pass(
          to: way.then, outcome: way.then?.id ?? "end", values: ["way": .int(place)])
      }
      return .pass(to: otherwise, outcome: "else", values: nil)
    case .split(let shares, let otherwise):
      let bucket = Bucket.of(salt: "split:\(facts.plan):\(step.id)", unit: facts.user.text)
      let share = shares.first { $0.buckets.contains(bucket) }
      return .pass(
        to: share.map(\.then) ?? otherwise,
        outcome: share.map { $0.then?.id ?? "end" } ?? "else", values: ["bucket": .int(bucket)])
    case .updateUser(let attributes):
      var change = UserChange()
      change.attributes = attributes
      return self.change(change, step.next, facts)
    case .tag(let tag):
      var change = UserChange()
      if let key = tag.remove { change.tags.append((key, .remove)) }
      if let key = tag.add { change.tags.append((key, .value(tag.value))) }
      return self.change(change, step.next, facts)
    case .exit(let reason): return .leave(reason: reason)
    case .send, .webhook: return .fail(to: step.next, reason: "not_a_step")
    }
  }

  private func change(
    _ change: UserChange, _ next: PlanDocument.Successor?, _ facts: Facts
  ) -> Decision {
    facts.isErased
      ? .fail(to: next, reason: SkipCode.erased.rawValue) : .change(change, to: next)
  }

  private func wait(
    until end: Date, _ next: PlanDocument.Successor?, _ facts: Facts
  ) -> Decision {
    now >= end
      ? .pass(to: next, outcome: "time", values: ["until": .instant(end)])
      : .wait(until: end, events: facts.exitEvents)
  }

  private func wait(
    for awaited: PlanDocument.AwaitedEvent, _ arrivedAt: Date,
    then: PlanDocument.Successor?, otherwise: PlanDocument.Successor?, _ facts: Facts
  ) -> Decision {
    let met = facts.events.first { Self.fits($0.properties, awaited, facts, now) }
    if let met {
      return .pass(
        to: then, outcome: "event",
        values: ["event": .string(awaited.name), "at": .instant(met.at)])
    }
    let end = Self.deadline(of: awaited, arrivedAt)
    return now >= end
      ? .pass(to: otherwise, outcome: "timeout", values: ["until": .instant(end)])
      : .wait(until: end, events: [awaited.name] + facts.exitEvents)
  }

  static func deadline(of awaited: PlanDocument.AwaitedEvent, _ arrivedAt: Date) -> Date {
    arrivedAt.addingTimeInterval(Double(awaited.timeout.seconds))
  }

  private static func fits(
    _ properties: JSONObject, _ awaited: PlanDocument.AwaitedEvent, _ facts: Facts, _ now: Date
  ) -> Bool {
    if let same = awaited.same {
      guard let value = properties[same], !value.isNull, value == facts.properties[same] else {
        return false
      }
    }
    return awaited.filters.allSatisfy { $0.holds(for: properties, at: now, zone: facts.zone) }
  }

  private func holds(_ test: PlanDocument.Test, _ place: Int, _ facts: Facts) -> Bool {
    if test.condition != nil, !facts.holding.contains(place) { return false }
    guard
      test.filters.allSatisfy({ $0.holds(for: facts.properties, at: now, zone: facts.zone) })
    else { return false }
    guard let result = test.result else { return true }
    guard let sent = facts.sent[result.step] else { return false }
    switch result.is {
    case .status(let status): return sent.status == status
    case .receipt(let event):
      return facts.receipts.contains(ReceiptName(delivery: sent.id, event: event))
    }
  }

  /// The first instant not before `start` at which the clocks of `zone` show the minute; when they
  /// leave it out that day, the first one after the gap.
  static func instant(of minute: Int, notBefore start: Date, in zone: TimeZone) -> Date {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let found = calendar.nextDate(
      after: start.addingTimeInterval(-1),
      matching: DateComponents(hour: minute / 60, minute: minute % 60, second: 0),
      matchingPolicy: .nextTime, repeatedTimePolicy: .first)
    return found ?? start
  }
}
