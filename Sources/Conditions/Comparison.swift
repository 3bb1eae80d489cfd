import FoundationEssentials
import JSON

/// One operator with its operand, applied to a value that may be absent.
public enum Comparison: Sendable, Equatable {
  /// Equal, of the same JSON type. Operands are strings, numbers and booleans.
  case eq(JSONValue)
  /// The opposite of `eq`: also true of absent values and of other types.
  case ne(JSONValue)
  /// `eq` to one of 1 to 1000.
  case isIn([JSONValue])
  /// The opposite of `in`.
  case notIn([JSONValue])
  /// Both numbers or both strings.
  case gt(JSONValue)
  case gte(JSONValue)
  case lt(JSONValue)
  case lte(JSONValue)
  /// `gte` the first and `lte` the second, which are of one type and in order.
  case between(JSONValue, JSONValue)
  /// Whether there is a value at all.
  case exists(Bool)
  /// An array with an element `eq` to the operand, or a text with the operand (a string) in it.
  case contains(JSONValue)
  /// A text that begins with these bytes.
  case startsWith(String)
  /// A day of some year on the operand's month and day; see `DayOfYear`.
  case matchesDay(DayOfYear)
  /// A moment earlier than the operand; see `Moment`.
  case before(Moment)
  /// A moment later than the operand.
  case after(Moment)

  public static let operandCount = 1...1000

  public enum Operator: String, Sendable, CaseIterable {
    case eq, ne, isIn = "in", notIn = "not_in", gt, gte, lt, lte, between, exists, contains
    case startsWith = "starts_with", matchesDay = "matches_day", before, after

    /// Those that make sense of a count or a sum.
    public static let numeric: [Operator] = [.eq, .ne, .gt, .gte, .lt, .lte, .between]
  }

  public var `operator`: Operator {
    switch self {
    case .eq: .eq
    case .ne: .ne
    case .isIn: .isIn
    case .notIn: .notIn
    case .gt: .gt
    case .gte: .gte
    case .lt: .lt
    case .lte: .lte
    case .between: .between
    case .exists: .exists
    case .contains: .contains
    case .startsWith: .startsWith
    case .matchesDay: .matchesDay
    case .before: .before
    case .after: .after
    }
  }
}

/// An instant to compare with.
///
/// Values that can be compared are texts that are instants (RFC 3339 with offset) or days
/// (`2026-01-31`); everything else is of another type. A day, as value or operand, stands for its
/// midnight in the user's zone; a midnight that a clock change leaves out is read with the offset
/// before the change, one that comes twice is the later (as PostgreSQL's AT TIME ZONE has it).
public enum Moment: Sendable, Equatable {
  /// `"2026-01-01T00:00:00Z"`, to the millisecond.
  case instant(Date)
  /// `"2026-01-01"`
  case day(CivilDay)
  /// `"now"`
  case now
  /// `{"ago": "30d"}`
  case ago(TimeSpan)
  /// `{"ahead": "7d"}`
  case ahead(TimeSpan)
}

/// A month and day to compare a date with, as birthdays are.
///
/// The operand belongs to a year: its own, or the current one in the user's zone. In that year the
/// operand's and the value's month and day are each put on the calendar, 29 February on 1 March
/// when the year is a common one; the value matches when both are the same day.
///
/// Values are texts: a day `1984-02-29`, a month and day `02-29`, or an instant, taken in the
/// user's zone.
public enum DayOfYear: Sendable, Equatable {
  /// `"today"` (0), or `{"days_from_now": 7}`: counted in the user's zone.
  case daysFromNow(Int)
  /// `"02-29"`, in the current year.
  case monthDay(month: Int, day: Int)
  /// `"2026-03-01"`, in its own year.
  case day(CivilDay)

  public static let daysFromNow = -366...366
}
