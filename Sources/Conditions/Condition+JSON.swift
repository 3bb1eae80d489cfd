import FoundationEssentials
import JSON

extension Condition {
  /// The canonical form: parses to an equal condition, and equal conditions give equal bytes
  /// (members in a fixed order, durations and numbers in one spelling, defaults written out).
  public var json: JSONValue {
    switch self {
    case .all(let parts): ["all": .array(parts.map(\.json))]
    case .any(let parts): ["any": .array(parts.map(\.json))]
    case .not(let part): ["not": part.json]
    case .attribute(let test): .object(["attribute": .string(test.key)] + test.comparisons)
    case .tag(let test):
      .object(
        ["tag": .string(test.key)] + (test.comparisons == [.exists(true)] ? [] : test.comparisons))
    case .event(let test): test.json
    case .sequence(let test): test.json
    case .consent(let test):
      ["consent": .string(test.channel), "is": .string(test.answer.rawValue)]
    case .reachable(let channel): ["reachable": .string(channel)]
    case .segment(let key): ["segment": .string(key)]
    case .received(let test):
      .object(["received": .string(test.plan)] + [("within", test.within?.json)])
    case .bucket(let test):
      [
        "bucket": [.int(test.range.lowerBound), .int(test.range.upperBound)],
        "salt": .string(test.salt),
      ]
    }
  }
}

extension EventCondition {
  var json: JSONValue {
    var object: JSONObject = ["event": .string(name)]
    switch measure {
    case .count: object["count"] = .object([:] + comparisons)
    case .sum(let property):
      object["sum"] = .string(property)
      object = object + comparisons
    }
    object["within"] = within?.json
    if !filters.isEmpty { object["where"] = .array(filters.map(\.json)) }
    return .object(object)
  }
}

extension SequenceCondition {
  var json: JSONValue {
    let steps = steps.map { step in
      JSONValue.object(
        ["event": .string(step.name)] + [
          ("within", step.within?.json), ("same", step.same.map(JSONValue.string)),
          ("where", step.filters.isEmpty ? nil : .array(step.filters.map(\.json))),
        ])
    }
    return .object(["sequence": .array(steps)] + [("absent", lastIsAbsent ? "last" : nil)])
  }
}

extension PropertyCondition {
  var json: JSONValue { .object(["property": .string(key)] + comparisons) }
}

extension Window {
  public var json: JSONValue {
    switch self {
    case .rolling(let span): .string(span.description)
    case .calendar(let days, let zone):
      ["last": ["days": .int(days), "zone": .string(zone.text)]]
    }
  }
}

extension Comparison {
  /// The operand alone.
  var operand: JSONValue {
    switch self {
    case .eq(let value), .ne(let value), .gt(let value), .gte(let value), .lt(let value),
      .lte(let value), .contains(let value):
      value.canonical
    case .isIn(let values), .notIn(let values): .array(values.map(\.canonical))
    case .between(let low, let high): [low.canonical, high.canonical]
    case .exists(let flag): .bool(flag)
    case .startsWith(let text): .string(text)
    case .matchesDay(let day): day.json
    case .before(let moment), .after(let moment): moment.json
    }
  }
}

extension Moment {
  var json: JSONValue {
    switch self {
    case .instant(let date): .string(date.rfc3339)
    case .day(let day): .string(day.description)
    case .now: "now"
    case .ago(let span): ["ago": .string(span.description)]
    case .ahead(let span): ["ahead": .string(span.description)]
    }
  }
}

extension DayOfYear {
  var json: JSONValue {
    switch self {
    case .daysFromNow(0): "today"
    case .daysFromNow(let count): ["days_from_now": .int(count)]
    case .monthDay(let month, let day):
      .string(
        String((CivilDay(year: 2000, month: month, day: day)?.description ?? "").dropFirst(5)))
    case .day(let day): .string(day.description)
    }
  }
}

extension JSONValue {
  /// Scalars with one spelling per value.
  fileprivate var canonical: JSONValue {
    guard case .number(let number) = self, let plain = JSONNumber(number.canonicalText) else {
      return self
    }
    return .number(plain)
  }
}

private func + (object: JSONObject, comparisons: [Comparison]) -> JSONObject {
  object + comparisons.map { ($0.operator.rawValue, $0.operand) }
}

private func + (object: JSONObject, members: [(String, JSONValue?)]) -> JSONObject {
  var object = object
  for (key, value) in members { object[key] = value }
  return object
}
