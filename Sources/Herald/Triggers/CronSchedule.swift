import Foundation
import JSON

/// A schedule of five fields, `minute hour day-of-month month day-of-week`, by the clocks on the
/// walls of a zone.
///
/// Each field is `*`, a number, a name (`jan`…`dec`, `sun`…`sat`), a range `1-5`, any of these with a
/// step `/15`, or several of them with commas; Sunday is 0 and 7. When neither day field begins with
/// `*`, a day fits that fits either, as cron has it. A time that a change of clocks leaves out fires
/// at the change, one that comes twice fires the first time; times that fall on one instant fire
/// once. A calendar day that a zone leaves out has no firing.
public struct CronSchedule: Sendable, Hashable {
  public let text: String
  private let minutes: Set<Int>
  private let hours: Set<Int>
  private let days: Set<Int>
  private let months: Set<Int>
  private let weekdays: Set<Int>
  /// Either day field will do.
  private let isEitherDay: Bool

  /// Nil for what is no schedule, or one that never comes, such as `0 0 30 2 *`.
  public init?(_ text: String) {
    let fields = text.split(separator: " ").map { $0.lowercased() }
    guard fields.count == 5,
      let minutes = Self.values(fields[0], 0...59), let hours = Self.values(fields[1], 0...23),
      let days = Self.values(fields[2], 1...31),
      let months = Self.values(fields[3], 1...12, names: Self.monthNames),
      let weekdays = Self.values(fields[4], 0...7, names: Self.dayNames)
    else { return nil }
    self.text = text
    self.minutes = minutes
    self.hours = hours
    self.days = days
    self.months = months
    self.weekdays = Set(weekdays.map { $0 % 7 })
    isEitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    let longest = months.map { $0 == 2 ? 29 : [4, 6, 9, 11].contains($0) ? 30 : 31 }.max() ?? 0
    guard isEitherDay || (days.min() ?? 32) <= longest else { return nil }
  }

  /// Every day at a time given in minutes since midnight.
  public init(dailyAt minute: Int) {
    text = "\(minute % 60) \(minute / 60) * * *"
    minutes = [minute % 60]
    hours = [minute / 60]
    days = Set(1...31)
    months = Set(1...12)
    weekdays = Set(0...6)
    isEitherDay = false
  }

  /// The first firing later than `instant` and not later than `until`.
  public func next(after instant: Date, in zone: TimeZone, until: Date? = nil) -> Date? {
    let clock = WallClock(zone)
    let start = clock.wall(at: instant)
    let first = WallClock.day(of: start).daysSince1970
    let hours = hours.sorted()
    let minutes = minutes.sorted()
    for number in first...(first + Self.horizon) {
      let day = CivilDay(daysSince1970: number)
      if let until, number > first + 1, clock.midnight(day) > until { return nil }
      guard fits(day) else { continue }
      for hour in hours {
        for minute in minutes {
          let wall = number * 86_400 + hour * 3600 + minute * 60
          // What comes no later than this on the wall came no later in truth.
          guard wall >= start - 60 else { continue }
          let found = clock.instant(atWall: wall)
          guard !found.isSkippedDay, found.instant > instant else { continue }
          if let until, found.instant > until { return nil }
          return found.instant
        }
      }
    }
    return nil
  }

  /// Firings in (after, through], oldest first; when there are more than `limit`, the latest ones.
  public func all(
    after start: Date, through end: Date, in zone: TimeZone, limit: Int
  ) -> [Date] {
    var found: [Date] = []
    var last = start
    while let next = next(after: last, in: zone, until: end) {
      found.append(next)
      if found.count > limit { found.removeFirst() }
      last = next
    }
    return found
  }

  /// 29 February on a given weekday comes every 28 years, but for 40 around 2100.
  private static let horizon = 41 * 366

  private func fits(_ day: CivilDay) -> Bool {
    guard months.contains(day.month) else { return false }
    // 1970-01-01 was a Thursday.
    let weekday = ((day.daysSince1970 + 4) % 7 + 7) % 7
    let (date, week) = (days.contains(day.day), weekdays.contains(weekday))
    return isEitherDay ? date || week : date && week
  }

  private static let monthNames = [
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9,
    "oct": 10, "nov": 11, "dec": 12,
  ]
  private static let dayNames = [
    "sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6,
  ]

  private static func values(
    _ field: String, _ range: ClosedRange<Int>, names: [String: Int] = [:]
  ) -> Set<Int>? {
    var values: Set<Int> = []
    for part in field.split(separator: ",", omittingEmptySubsequences: false) {
      let halves = part.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
      guard 1...2 ~= halves.count, let span = span(halves[0], range, names) else { return nil }
      var step = 1
      if halves.count == 2 {
        guard let given = number(halves[1], names: [:]), given > 0 else { return nil }
        step = given
      }
      // `5/15` means from 5 on.
      let isSingle = halves.count == 2 && span.count == 1 && halves[0] != "*"
      let end = isSingle ? range.upperBound : span.upperBound
      values.formUnion(stride(from: span.lowerBound, through: end, by: step))
    }
    return values
  }

  private static func span(
    _ text: String, _ range: ClosedRange<Int>, _ names: [String: Int]
  ) -> ClosedRange<Int>? {
    if text == "*" { return range }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false)
      .map { number(String($0), names: names) }
    guard 1...2 ~= ends.count, let low = ends.first ?? nil, let high = ends.last ?? nil,
      low <= high, range.contains(low), range.contains(high)
    else { return nil }
    return low...high
  }

  private static func number(_ text: String, names: [String: Int]) -> Int? {
    if let named = names[text] { return named }
    guard 1...2 ~= text.utf8.count,
      text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
    else { return nil }
    return Int(text)
  }
}
