/// A day of the proleptic Gregorian calendar without a time zone, year 1 to 9999; SQL's `date`.
public struct LocalDate: Hashable, Sendable {
  public let year: Int
  public let month: Int
  public let day: Int

  /// `nil` when the calendar has no such day.
  public init?(year: Int, month: Int, day: Int) {
    guard (1...9999).contains(year), (1...12).contains(month),
      (1...Self.days(inMonth: month, of: year)).contains(day)
    else { return nil }
    self.year = year
    self.month = month
    self.day = day
  }

  /// - Parameter daysSinceEpoch: days since 2000-01-01. `nil` outside the years 1 to 9999.
  public init?(daysSinceEpoch: Int) {
    guard (-730_119...2_921_939).contains(daysSinceEpoch) else { return nil }
    // Days since 0000-03-01, so that the leap day ends the year; 400 years are 146,097 days.
    let shifted = daysSinceEpoch + 730_425
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    self.init(
      year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
      day: dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  /// Days since 2000-01-01, negative before.
  public var daysSinceEpoch: Int {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = shiftedYear / 400
    let yearOfEra = shiftedYear % 400
    let shiftedMonth = month > 2 ? month - 3 : month + 9
    let dayOfYear = (153 * shiftedMonth + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 730_425
  }

  private static func days(inMonth month: Int, of year: Int) -> Int {
    switch month {
    case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

extension LocalDate: Comparable {
  public static func < (left: LocalDate, right: LocalDate) -> Bool {
    (left.year, left.month, left.day) < (right.year, right.month, right.day)
  }
}

extension LocalDate: CustomStringConvertible {
  /// `YYYY-MM-DD`.
  public var description: String {
    func padded(_ number: Int, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
  }
}

extension LocalDate: SQLBindable, SQLDecodable {
  public static var sqlType: SQLType { .date }
  public var sqlParameter: SQLParameter {
    .word(Int32(truncatingIfNeeded: daysSinceEpoch), type: .date)
  }

  public static func decode(_ value: SQLValue) throws(PostgresError) -> LocalDate {
    guard value.type == .date else { throw value.mismatch(Self.self) }
    var reader = ByteReader(try value.present(as: Self.self))
    guard let date = LocalDate(daysSinceEpoch: Int(try reader.integer(Int32.self))) else {
      throw PostgresError(kind: .decoding, message: "date is outside the years 1 to 9999")
    }
    return date
  }
}
