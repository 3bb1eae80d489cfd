import FoundationEssentials
import JSON

extension PropertyCondition {
  func holds(for properties: JSONObject, clock: LocalClock) -> Bool {
    let value = properties[key]
    return comparisons.allSatisfy { $0.holds(for: value, clock: clock) }
  }
}

extension EventCondition {
  /// The count or sum, and whether it satisfies the comparisons.
  func measure(_ person: PersonFacts, clock: LocalClock) -> (isTrue: Bool, value: JSONValue) {
    let matching = person.events.filter { event in
      event.name.utf8.elementsEqual(name.utf8) && clock.contains(event.time, in: within)
        && filters.allSatisfy { $0.holds(for: event.properties, clock: clock) }
    }
    let value: JSONValue
    switch measure {
    case .count: value = .int(matching.count)
    case .sum(let property):
      let numbers = matching.compactMap { $0.properties[property]?.numberValue }
      value = .number(numbers.reduce(JSONNumber(0), +))
    }
    return (comparisons.allSatisfy { $0.holds(for: value, clock: clock) }, value)
  }
}

extension SequenceCondition {
  /// The times of one chain of events that makes this true (the last step left out when it is to be
  /// absent), or nil. Costs the square of the number of matching events per step.
  func chain(_ person: PersonFacts, clock: LocalClock) -> [Date]? {
    guard let last = steps.last, steps.count >= 2 else { return nil }
    var chains: [Link] = []
    for (index, step) in steps.enumerated() {
      let candidates = events(of: step, person, clock: clock, isFirst: index == 0)
      if index == 0 {
        chains = candidates.map { Link(event: $0, times: [$0.time]) }
      } else if index == steps.count - 1, lastIsAbsent {
        return chains.first { link in
          isOver(last, since: link.event.time, clock: clock)
            && !candidates.contains { Self.follows($0, link.event, by: last) }
        }?.times
      } else {
        chains = candidates.compactMap { event in
          chains.first { Self.follows(event, $0.event, by: step) }
            .map { Link(event: event, times: $0.times + [event.time]) }
        }
      }
    }
    return chains.first?.times
  }

  private struct Link {
    var event: PersonFacts.EventFact
    var times: [Date]
  }

  private func events(
    of step: Step, _ person: PersonFacts, clock: LocalClock, isFirst: Bool
  ) -> [PersonFacts.EventFact] {
    person.events.filter { event in
      event.name.utf8.elementsEqual(step.name.utf8)
        && clock.contains(event.time, in: isFirst ? step.within : nil)
        && step.filters.allSatisfy { $0.holds(for: event.properties, clock: clock) }
    }
  }

  private static func follows(
    _ event: PersonFacts.EventFact, _ earlier: PersonFacts.EventFact, by step: Step
  ) -> Bool {
    guard event.time > earlier.time else { return false }
    if case .rolling(let span) = step.within,
      event.time > earlier.time.addingTimeInterval(Double(span.seconds))
    {
      return false
    }
    guard let same = step.same else { return true }
    guard let value = event.properties[same], !value.isNull else { return false }
    return earlier.properties[same] == value
  }

  private func isOver(_ step: Step, since start: Date, clock: LocalClock) -> Bool {
    guard case .rolling(let span) = step.within else { return true }
    return start.addingTimeInterval(Double(span.seconds)) <= clock.now
  }
}
