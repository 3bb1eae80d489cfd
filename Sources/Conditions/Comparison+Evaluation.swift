import FoundationEssentials
import JSON

extension Comparison {
  /// Whether the value satisfies this operator; nil and null are absent.
  func holds(for value: JSONValue?, clock: LocalClock) -> Bool {
    let value = value ?? .null
    switch self {
    case .eq(let operand): return !value.isNull && value == operand
    case .ne(let operand): return value.isNull || value != operand
    case .isIn(let operands): return !value.isNull && operands.contains(value)
    case .notIn(let operands): return value.isNull || !operands.contains(value)
    case .gt(let operand): return value.isOrdered(after: operand, orEqual: false)
    case .gte(let operand): return value.isOrdered(after: operand, orEqual: true)
    case .lt(let operand): return operand.isOrdered(after: value, orEqual: false)
    case .lte(let operand): return operand.isOrdered(after: value, orEqual: true)
    case .between(let low, let high):
      return value.isOrdered(after: low, orEqual: true)
        && high.isOrdered(after: value, orEqual: true)
    case .exists(let expected): return value.isNull != expected
    case .contains(let operand): return value.contains(operand)
    case .startsWith(let prefix): return value.stringValue?.utf8.starts(with: prefix.utf8) ?? false
    case .matchesDay(let operand): return operand.matches(value, clock: clock)
    case .before(let moment):
      guard let time = Moment.read(value, clock: clock) else { return false }
      return time < moment.date(clock)
    case .after(let moment):
      guard let time = Moment.read(value, clock: clock) else { return false }
      return time > moment.date(clock)
    }
  }
}

extension JSONValue {
  /// False when the two are not both numbers or both strings.
  fileprivate func isOrdered(after other: JSONValue, orEqual: Bool) -> Bool {
    switch (self, other) {
    case (.number(let a), .number(let b)): return orEqual ? !(a < b) : b < a
    case (.string(let a), .string(let b)):
      return orEqual
        ? !a.utf8.lexicographicallyPrecedes(b.utf8) : b.utf8.lexicographicallyPrecedes(a.utf8)
    default: return false
    }
  }

  fileprivate func contains(_ operand: JSONValue) -> Bool {
    switch (self, operand) {
    case (.array(let elements), _): return elements.contains(operand)
    case (.string(let text), .string(let part)):
      let (text, part) = (Array(text.utf8), Array(part.utf8))
      guard part.count <= text.count else { return false }
      return (0...(text.count - part.count)).contains { text[$0...].starts(with: part) }
    default: return false
    }
  }
}

extension Moment {
  func date(_ clock: LocalClock) -> Date {
    switch self {
    case .instant(let date): date
    case .day(let day): clock.midnight(day)
    case .now: clock.now
    case .ago(let span): clock.now.addingTimeInterval(-Double(span.seconds))
    case .ahead(let span): clock.now.addingTimeInterval(Double(span.seconds))
    }
  }

  /// The moment a value says, if it says one.
  static func read(_ value: JSONValue, clock: LocalClock) -> Date? {
    guard let text = value.stringValue else { return nil }
    return CivilDay(text).map(clock.midnight) ?? Date(rfc3339: text)
  }
}

extension DayOfYear {
  func matches(_ value: JSONValue, clock: LocalClock) -> Bool {
    guard let text = value.stringValue, let (month, day) = Self.read(text, clock: clock) else {
      return false
    }
    let target: CivilDay?
    switch self {
    case .daysFromNow(let count):
      target = CivilDay(daysSince1970: clock.today.daysSince1970 + count)
    case .monthDay(let month, let day):
      target = Self.onCalendar(month: month, day: day, year: clock.today.year)
    case .day(let day): target = day
    }
    guard let target else { return false }
    return Self.onCalendar(month: month, day: day, year: target.year) == target
  }

  /// A month and day in a year; 29 February of a common year is its 1 March.
  private static func onCalendar(month: Int, day: Int, year: Int) -> CivilDay? {
    if month == 2, day == 29, !CivilDay.isLeap(year) {
      return CivilDay(year: year, month: 3, day: 1)
    }
    return CivilDay(year: year, month: month, day: day)
  }

  private static func read(_ text: String, clock: LocalClock) -> (month: Int, day: Int)? {
    if let day = CivilDay(text) { return (day.month, day.day) }
    if let pair = monthDay(text) { return pair }
    return Date(rfc3339: text).map(clock.day(of:)).map { ($0.month, $0.day) }
  }

  /// Exactly `02-29`; nil for days that no year has.
  static func monthDay(_ text: String) -> (month: Int, day: Int)? {
    // 2000 was a leap year, so every day of every year exists in it.
    guard text.utf8.count == 5, let day = CivilDay("2000-" + text) else { return nil }
    return (day.month, day.day)
  }
}
