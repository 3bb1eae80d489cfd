import Foundation
import JSON

/// Days on which nothing marketing goes out: from the first to the last, both included, by the
/// calendar on each person's wall.
public struct Holiday: Sendable, Equatable {
  public let name: String
  public let from: CivilDay
  public let through: CivilDay

  public init(name: String, from: CivilDay, through: CivilDay) {
    self.name = name
    self.from = from
    self.through = through
  }
}

/// When a person may be written to by the clock and the calendar.
struct SendingHours: Sendable {
  /// With the zone whose clock they go by.
  var quiet: (hours: QuietHours, zone: TimeZone)?
  var holidays: [Holiday] = []
  /// The person's, by which holidays go.
  let zone: TimeZone

  /// The holiday that `instant` lies in.
  func holiday(at instant: Date) -> Holiday? {
    guard !holidays.isEmpty else { return nil }
    let day = WallClock(zone).day(of: instant)
    return holidays.first { $0.from <= day && day <= $0.through }
  }

  func isQuiet(at instant: Date) -> Bool {
    quiet.map { $0.hours.isQuiet(at: instant, in: $0.zone) } ?? false
  }

  /// The first instant at or after `now` that is neither within quiet hours nor on a holiday, whatever
  /// the clocks are changed to meanwhile; `now` itself where it is allowed.
  func nextAllowedInstant(from now: Date) -> Date {
    let clock = WallClock(zone)
    var instant = now
    // Each turn ends a holiday or a stretch of quiet hours for good, but where clocks are set back over
    // midnight: that day comes twice.
    for _ in 0..<(2 * holidays.count + 4) {
      let awake = quiet.map { $0.hours.nextAllowed(from: instant, in: $0.zone) } ?? instant
      guard let holiday = holiday(at: awake) else { return awake }
      let end = clock.midnight(CivilDay(daysSince1970: holiday.through.daysSince1970 + 1))
      // Already past midnight once: the clocks went back, and it is the old day again for a while.
      instant = end > awake ? end : Self.nextDay(after: awake, clock)
    }
    return instant
  }

  /// When the wall shows another day than at `instant`.
  private static func nextDay(after instant: Date, _ clock: WallClock) -> Date {
    let today = clock.day(of: instant)
    var minute = Date(
      timeIntervalSince1970: (instant.timeIntervalSince1970 / 60).rounded(.down) * 60)
    repeat { minute = minute.addingTimeInterval(60) } while clock.day(of: minute) == today
    return minute
  }
}
