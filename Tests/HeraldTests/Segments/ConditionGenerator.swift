import Conditions
import Foundation
import JSON

/// Random conditions over the words of `CrowdGenerator`, so that they are true of some and not of
/// others.
struct ConditionGenerator {
  var random: SeededRandom

  mutating func condition(depth: Int = 0) -> Condition {
    let isInner = depth < 4 && random.chance(depth == 0 ? 55 : 35)
    guard isInner else { return leaf() }
    switch random.below(5) {
    case 0, 1: return .all((0..<random.below(4)).map { _ in condition(depth: depth + 1) })
    case 2, 3: return .any((0...random.below(3)).map { _ in condition(depth: depth + 1) })
    default: return .not(condition(depth: depth + 1))
    }
  }

  private mutating func leaf() -> Condition {
    switch random.below(20) {
    case 0...4:
      return .attribute(
        AttributeCondition(key: random.pick(CrowdGenerator.attributes), comparisons: comparisons()))
    case 5...7:
      return .tag(
        TagCondition(
          key: random.pick(CrowdGenerator.tags),
          comparisons: random.chance(30) ? [.exists(true)] : comparisons()))
    case 8...12: return .event(event())
    case 13, 14: return .sequence(sequence())
    case 15:
      return .consent(
        ConsentCondition(
          channel: random.pick(Condition.channels),
          answer: random.pick(ConsentCondition.Answer.allCases)))
    case 16: return .reachable(channel: random.pick(Condition.channels))
    case 17: return .segment(key: random.pick(CrowdGenerator.segments))
    case 18:
      return .received(
        ReceivedCondition(
          plan: random.pick(CrowdGenerator.plans), within: random.chance(70) ? window() : nil))
    default:
      let low = random.below(10_000)
      return .bucket(
        BucketCondition(
          range: low...(low + random.below(10_000 - low)), salt: random.pick(["segment", "sälz"])))
    }
  }

  /// One to three operators, at most one of each.
  private mutating func comparisons() -> [Comparison] {
    var chosen: [Comparison.Operator: Comparison] = [:]
    for _ in 0...max(0, random.below(7) - 4) {
      let comparison = comparison()
      chosen[comparison.operator] = comparison
    }
    return Comparison.Operator.allCases.compactMap { chosen[$0] }
  }

  private mutating func comparison() -> Comparison {
    switch random.pick(Comparison.Operator.allCases) {
    case .eq: return .eq(scalar())
    case .ne: return .ne(scalar())
    case .isIn: return .isIn((0...random.below(12)).map { _ in scalar() })
    case .notIn: return .notIn((0...random.below(3)).map { _ in scalar() })
    case .gt: return .gt(ordered())
    case .gte: return .gte(ordered())
    case .lt: return .lt(ordered())
    case .lte: return .lte(ordered())
    case .between: return between()
    case .exists: return .exists(random.chance(50))
    case .contains:
      let operand = scalar()
      return .contains(operand == "" ? "a" : operand)
    case .startsWith: return .startsWith(random.pick(["2", "20", "e", "é", "a", "杭", "%", "_"]))
    case .matchesDay: return .matchesDay(dayOfYear())
    case .before: return .before(moment())
    case .after: return .after(moment())
    }
  }

  private mutating func scalar() -> JSONValue {
    switch random.below(10) {
    case 0: .bool(random.chance(50))
    case 1...5: number()
    default: .string(random.pick(CrowdGenerator.texts))
    }
  }

  private mutating func ordered() -> JSONValue {
    random.chance(60) ? number() : .string(random.pick(CrowdGenerator.texts))
  }

  private mutating func number() -> JSONValue {
    CrowdGenerator.number(random.pick(CrowdGenerator.numbers))
  }

  private mutating func between() -> Comparison {
    if random.chance(50) {
      let ends = [random.pick(CrowdGenerator.texts), random.pick(CrowdGenerator.texts)]
        .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      return .between(.string(ends[0]), .string(ends[1]))
    }
    let ends = [number(), number()].compactMap(\.numberValue).sorted()
    return .between(.number(ends[0]), .number(ends[1]))
  }

  private mutating func dayOfYear() -> DayOfYear {
    switch random.below(4) {
    case 0: .daysFromNow(0)
    case 1: .daysFromNow(random.below(20) - 10)
    case 2:
      random.pick([.monthDay(month: 2, day: 29), .monthDay(month: 3, day: 1)])
    default:
      .day(
        random.pick(
          ["2026-03-01", "2024-02-29", "2026-02-28", "1999-12-31"].compactMap(CivilDay.init)))
    }
  }

  private mutating func moment() -> Moment {
    switch random.below(5) {
    case 0:
      random.pick(CrowdGenerator.instants.compactMap(Date.init(rfc3339:)).map(Moment.instant))
    case 1: .day(random.pick(CrowdGenerator.days.compactMap(CivilDay.init)))
    case 2: .now
    case 3: .ago(random.pick(CrowdGenerator.spans))
    default: .ahead(random.pick(CrowdGenerator.spans))
    }
  }

  private mutating func window() -> Window {
    if random.chance(60) { return .rolling(random.pick(CrowdGenerator.spans)) }
    return .calendar(
      days: random.pick([1, 2, 7, 30, 365]),
      zone: random.chance(60)
        ? .user : .named(random.pick(["UTC", "Asia/Tokyo", "America/New_York"])))
  }

  private mutating func event() -> EventCondition {
    var event = EventCondition(
      name: random.pick(CrowdGenerator.events), filters: filters(),
      within: random.chance(60) ? window() : nil)
    switch random.below(4) {
    case 0: break
    case 1:
      event.measure = .sum(property: random.pick(["amount", "id"]))
      event.comparisons = [numeric(CrowdGenerator.numbers)]
    default: event.comparisons = [numeric(["0", "1", "2", "3", "0.5"])]
    }
    return event
  }

  private mutating func numeric(_ numbers: [String]) -> Comparison {
    let bound = CrowdGenerator.number(random.pick(numbers))
    switch random.pick(Comparison.Operator.numeric) {
    case .eq: return .eq(bound)
    case .ne: return .ne(bound)
    case .gt: return .gt(bound)
    case .lt: return .lt(bound)
    case .lte: return .lte(bound)
    case .between:
      let ends = [bound, CrowdGenerator.number(random.pick(numbers))].compactMap(\.numberValue)
        .sorted()
      return .between(.number(ends[0]), .number(ends[1]))
    default: return .gte(bound)
    }
  }

  private mutating func filters() -> [PropertyCondition] {
    guard random.chance(40) else { return [] }
    return (0...random.below(2)).map { _ in
      PropertyCondition(
        key: random.pick(CrowdGenerator.properties), comparisons: comparisons())
    }
  }

  private mutating func sequence() -> SequenceCondition {
    let count = 2 + random.below(2)
    let steps = (0..<count).map { index in
      SequenceCondition.Step(
        name: random.pick(CrowdGenerator.events), filters: random.chance(25) ? filters() : [],
        within: !random.chance(60)
          ? nil : index == 0 ? window() : .rolling(random.pick(CrowdGenerator.spans)),
        same: index > 0 && random.chance(40) ? "id" : nil)
    }
    return SequenceCondition(steps: steps, lastIsAbsent: random.chance(40))
  }
}
