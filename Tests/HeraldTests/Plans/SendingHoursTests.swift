import Foundation
import JSON
import Testing

@testable import Herald

@Suite("When a person may be written to") struct SendingHoursTests {
  private static func day(_ text: String) throws -> CivilDay { try #require(CivilDay(text)) }

  private static func zone(_ name: String) throws -> TimeZone {
    try #require(TimeZone(identifier: name))
  }

  @Test(
    "the next allowed instant",
    arguments: [
      // A holiday ends with its last day.
      ("Asia/Shanghai", "2026-10-01T00:00:00+08:00", "2026-10-08T08:00:00+08:00"),
      ("Asia/Shanghai", "2026-10-07T23:59:59+08:00", "2026-10-08T08:00:00+08:00"),
      ("Asia/Shanghai", "2026-09-30T21:59:59+08:00", "2026-09-30T21:59:59+08:00"),
      // Quiet hours that run into a holiday.
      ("Asia/Shanghai", "2026-09-30T22:00:00+08:00", "2026-10-08T08:00:00+08:00"),
      // By the person's wall, not by anybody else's.
      ("America/New_York", "2026-09-30T23:00:00Z", "2026-09-30T23:00:00Z"),
      ("America/New_York", "2026-10-01T12:00:00Z", "2026-10-08T12:00:00Z"),
    ])
  func examples(_ name: String, _ now: String, _ expected: String) throws {
    let zone = try Self.zone(name)
    let hours = SendingHours(
      quiet: (QuietHours(from: 22 * 60, until: 8 * 60, zone: nil, onHit: .defer), zone),
      holidays: [
        Holiday(
          name: "National Day", from: try Self.day("2026-10-01"),
          through: try Self.day("2026-10-07"))
      ], zone: zone)
    let next = hours.nextAllowedInstant(from: try #require(Date(rfc3339: now)))
    #expect(next == Date(rfc3339: expected), "\(next.rfc3339)")
  }

  @Test("in every zone, around its changes of clocks: allowed, and nothing before it was")
  func property() throws {
    let seed = SeededRandom.seed
    var random = SeededRandom(seed: seed)
    let start = Date(timeIntervalSince1970: 1_767_225_600)
    for name in TimeZone.knownTimeZoneIdentifiers {
      let zone = try Self.zone(name)
      let edge =
        zone.nextDaylightSavingTimeTransition(after: start)
        ?? start.addingTimeInterval(Double(random.below(31_536_000)))
      let now = edge.addingTimeInterval(Double(random.below(260_000) - 130_000) + 0.25)
      let from = random.below(1440)
      let length = random.chance(50) ? 1 + random.below(1438) : random.pick([1, 20, 1400, 1439])
      let first = WallClock(zone).day(of: now).daysSince1970 + random.below(3) - 1
      let hours = SendingHours(
        quiet: random.chance(80)
          ? (QuietHours(from: from, until: (from + length) % 1440, zone: nil, onHit: .defer), zone)
          : nil,
        holidays: (0..<random.below(3)).map { number in
          let begin = first + 2 * number
          return Holiday(
            name: "\(number)", from: CivilDay(daysSince1970: begin),
            through: CivilDay(daysSince1970: begin + random.below(2)))
        }, zone: zone)
      let context: Comment = "seed \(seed) \(name) \(hours) \(now.rfc3339)"
      let next = hours.nextAllowedInstant(from: now)
      #expect(next >= now, context)
      #expect(Self.isAllowed(next, hours), context)
      var minute = now
      while minute < next.addingTimeInterval(-1) {
        guard !Self.isAllowed(minute, hours) else {
          Issue.record("\(context) was allowed at \(minute.rfc3339), said \(next.rfc3339)")
          break
        }
        minute = Date(
          timeIntervalSince1970: (minute.timeIntervalSince1970 / 60).rounded(.down) * 60 + 60)
      }
    }
  }

  /// What a calendar makes of it.
  private static func isAllowed(_ at: Date, _ hours: SendingHours) -> Bool {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = hours.zone
    let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute], from: at)
    let minute = (parts.hour ?? 0) * 60 + (parts.minute ?? 0)
    if let quiet = hours.quiet?.hours {
      let isQuiet =
        quiet.from < quiet.until
        ? minute >= quiet.from && minute < quiet.until
        : minute >= quiet.from || minute < quiet.until
      if isQuiet { return false }
    }
    guard
      let day = CivilDay(year: parts.year ?? 0, month: parts.month ?? 0, day: parts.day ?? 0)
    else { return false }
    return !hours.holidays.contains { $0.from <= day && day <= $0.through }
  }
}
