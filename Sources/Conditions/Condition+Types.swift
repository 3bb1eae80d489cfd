import JSON

/// What an attribute, tag or property is declared or seen as.
public enum ValueType: String, Sendable, CaseIterable {
  case string, number, boolean, date, instant, array, object
}

extension Condition {
  /// Something with a type.
  public enum Subject: Sendable, Equatable {
    case attribute(String)
    case tag(String)
    case property(String, event: String)
  }

  /// Adds a `type_mismatch` for every operand that its subject, of the type the caller knows, can
  /// never satisfy. Unknown types (nil) pass. `pointer` is where this condition was parsed from.
  public func checkTypes(
    at pointer: JSONPointer = .root, faults: Faults, type: (Subject) -> ValueType?
  ) {
    switch self {
    case .all(let parts):
      for (index, part) in parts.enumerated() {
        part.checkTypes(
          at: pointer.appending("all").appending(index), faults: faults, type: type)
      }
    case .any(let parts):
      for (index, part) in parts.enumerated() {
        part.checkTypes(
          at: pointer.appending("any").appending(index), faults: faults, type: type)
      }
    case .not(let part):
      part.checkTypes(at: pointer.appending("not"), faults: faults, type: type)
    case .attribute(let test):
      test.comparisons.check(type(.attribute(test.key)), at: pointer, faults: faults)
    case .tag(let test):
      test.comparisons.check(type(.tag(test.key)), at: pointer, faults: faults)
    case .event(let test):
      if case .sum(let property) = test.measure,
        let type = type(.property(property, event: test.name)), type != .number
      {
        faults.add(
          .typeMismatch, at: pointer.appending("sum"),
          "'\(property)' is of type \(type.rawValue) and cannot be added up.")
      }
      test.filters.check(event: test.name, at: pointer, faults: faults, type: type)
    case .sequence(let test):
      for (index, step) in test.steps.enumerated() {
        step.filters.check(
          event: step.name, at: pointer.appending("sequence").appending(index), faults: faults,
          type: type)
      }
    case .consent, .reachable, .segment, .received, .bucket: break
    }
  }
}

extension [PropertyCondition] {
  fileprivate func check(
    event: String, at pointer: JSONPointer, faults: Faults,
    type: (Condition.Subject) -> ValueType?
  ) {
    for (index, filter) in enumerated() {
      filter.comparisons.check(
        type(.property(filter.key, event: event)),
        at: pointer.appending("where").appending(index), faults: faults)
    }
  }
}

extension [Comparison] {
  fileprivate func check(_ type: ValueType?, at pointer: JSONPointer, faults: Faults) {
    guard let type else { return }
    for comparison in self {
      let place = pointer.appending(comparison.operator.rawValue)
      for (suffix, operand) in comparison.operands where !type.allows(operand) {
        faults.add(
          .typeMismatch, at: place.appending(suffix),
          "This is of type \(type.rawValue); \(operand.words) can never match it.")
      }
    }
  }
}

/// What an operator asks of a value's type.
private enum Operand {
  case scalar(JSONValue)
  case contained(JSONValue)
  case text
  case time

  var words: String {
    switch self {
    case .scalar(let value), .contained(let value): value.article
    case .text: "the beginning of a text"
    case .time: "a moment or day"
    }
  }
}

extension Comparison {
  fileprivate var operands: [(JSONPointer, Operand)] {
    func each(_ values: [JSONValue]) -> [(JSONPointer, Operand)] {
      values.enumerated().map { (JSONPointer.root.appending($0), .scalar($1)) }
    }
    return switch self {
    case .eq(let value), .ne(let value), .gt(let value), .gte(let value), .lt(let value),
      .lte(let value):
      [(.root, .scalar(value))]
    case .isIn(let values), .notIn(let values): each(values)
    case .between(let low, let high): each([low, high])
    case .exists: []
    case .contains(let value): [(.root, .contained(value))]
    case .startsWith: [(.root, .text)]
    case .matchesDay, .before, .after: [(.root, .time)]
    }
  }
}

extension ValueType {
  private var isText: Bool { self == .string || self == .date || self == .instant }

  fileprivate func allows(_ operand: Operand) -> Bool {
    switch operand {
    case .scalar(.string): isText
    case .scalar(.number): self == .number
    case .scalar(.bool): self == .boolean
    case .scalar: false
    case .contained(.string): isText || self == .array
    case .contained: self == .array
    // A text may well hold a date.
    case .text, .time: isText
    }
  }
}
