import FoundationEssentials
import JSON

extension Condition {
  /// Something whose values have a type.
  public enum Subject: Sendable, Equatable {
    case attribute(String)
    case tag(String)
    case property(String, event: String)
  }

  /// Adds a fault for every operand that does not fit what is known of its subject, with the place
  /// of the operand: `type_mismatch`, or `invalid_choice` for a value that is none of the choices.
  /// What nothing is known of (nil) passes. `pointer` is where this condition was parsed from.
  public func checkTypes(
    at pointer: JSONPointer = .root, faults: Faults, known: (Subject) -> KnownType?
  ) {
    switch self {
    case .all(let parts):
      for (index, part) in parts.enumerated() {
        part.checkTypes(
          at: pointer.appending("all").appending(index), faults: faults, known: known)
      }
    case .any(let parts):
      for (index, part) in parts.enumerated() {
        part.checkTypes(
          at: pointer.appending("any").appending(index), faults: faults, known: known)
      }
    case .not(let part):
      part.checkTypes(at: pointer.appending("not"), faults: faults, known: known)
    case .attribute(let test):
      test.comparisons.check(.attribute(test.key), at: pointer, faults: faults, known: known)
    case .tag(let test):
      test.comparisons.check(.tag(test.key), at: pointer, faults: faults, known: known)
    case .event(let test):
      if case .sum(let property) = test.measure {
        let subject = Subject.property(property, event: test.name)
        if let type = known(subject), !type.type.isNumeric {
          faults.add(
            .typeMismatch, at: pointer.appending("sum"),
            "\(subject.words) \(type.words); only numbers are added up.")
        }
      }
      test.filters.check(event: test.name, at: pointer, faults: faults, known: known)
    case .sequence(let test):
      for (index, step) in test.steps.enumerated() {
        step.filters.check(
          event: step.name, at: pointer.appending("sequence").appending(index), faults: faults,
          known: known)
      }
    case .consent, .reachable, .segment, .received, .bucket: break
    }
  }
}

extension Condition.Subject {
  fileprivate var words: String {
    switch self {
    case .attribute(let key): "The attribute '\(key)'"
    case .tag(let key): "The tag '\(key)'"
    case .property(let key, let event): "The property '\(key)' of the event '\(event)'"
    }
  }
}

extension [PropertyCondition] {
  fileprivate func check(
    event: String, at pointer: JSONPointer, faults: Faults,
    known: (Condition.Subject) -> KnownType?
  ) {
    for (index, filter) in enumerated() {
      filter.comparisons.check(
        .property(filter.key, event: event),
        at: pointer.appending("where").appending(index), faults: faults, known: known)
    }
  }
}

extension [Comparison] {
  fileprivate func check(
    _ subject: Condition.Subject, at pointer: JSONPointer, faults: Faults,
    known: (Condition.Subject) -> KnownType?
  ) {
    guard let type = known(subject) else { return }
    for comparison in self {
      let name = comparison.operator.rawValue
      for (suffix, operand) in comparison.operands {
        guard let (code, objection) = type.objection(to: operand, of: name) else { continue }
        faults.add(
          code, at: pointer.appending(name).appending(suffix),
          "\(subject.words) \(type.words); \(objection).")
      }
    }
  }
}

/// What an operator asks of a value's type.
private enum Operand {
  case equal(JSONValue)
  case ordered(JSONValue)
  case contained(JSONValue)
  case text
  case time
}

extension Comparison {
  /// With their places below the operator.
  fileprivate var operands: [(JSONPointer, Operand)] {
    switch self {
    case .eq(let value), .ne(let value): [(.root, .equal(value))]
    case .gt(let value), .gte(let value), .lt(let value), .lte(let value):
      [(.root, .ordered(value))]
    case .isIn(let values), .notIn(let values):
      values.enumerated().map { (JSONPointer.root.appending($0), .equal($1)) }
    case .between(let low, let high):
      [(JSONPointer.root.appending(0), .ordered(low)), (.root.appending(1), .ordered(high))]
    case .exists: []
    case .contains(let value): [(.root, .contained(value))]
    case .startsWith: [(.root, .text)]
    case .matchesDay, .before, .after: [(.root, .time)]
    }
  }
}

extension KnownType {
  /// What is wrong with the operand; nil when it fits.
  fileprivate func objection(
    to operand: Operand, of name: String
  ) -> (JSONFault.Code, String)? {
    if !type.allows(operand) { return (.typeMismatch, type.objection(to: operand, of: name)) }
    guard let choices, case .equal(.string(let text)) = operand,
      !choices.contains(where: { $0.utf8.elementsEqual(text.utf8) })
    else { return nil }
    return (.invalidChoice, "this is none of them")
  }
}

extension ValueType {
  fileprivate var isNumeric: Bool { self == .number || self == .integer }

  fileprivate func allows(_ operand: Operand) -> Bool {
    switch operand {
    case .equal(.string(let text)):
      switch self {
      case .string: true
      case .date: CivilDay(text) != nil
      case .instant: Date(rfc3339: text) != nil
      default: false
      }
    case .equal(.number(let number)): self == .number || (self == .integer && number.isInteger)
    case .equal(.bool): self == .boolean
    case .equal, .ordered(.null), .ordered(.bool), .ordered(.array), .ordered(.object): false
    // In the order of their bytes, days and instants stand among each other as they should.
    case .ordered(.string(let text)):
      self == .string || (isText && (CivilDay(text) != nil || Date(rfc3339: text) != nil))
    case .ordered(.number): isNumeric
    case .contained(.string): isText || self == .array
    case .contained: self == .array
    // A text may well hold a date.
    case .text, .time: isText
    }
  }

  fileprivate func objection(to operand: Operand, of name: String) -> String {
    switch operand {
    case .text: "'\(name)' is for strings"
    case .time: "'\(name)' is for days and instants, which are strings"
    case .contained where !isText && self != .array: "'\(name)' is for strings and arrays"
    case .equal(.string), .ordered(.string):
      isText ? "this string is none" : "this is a string"
    case .equal(.number) where self == .integer: "this number is none"
    case .equal(let value), .ordered(let value), .contained(let value): "this is \(value.article)"
    }
  }
}
