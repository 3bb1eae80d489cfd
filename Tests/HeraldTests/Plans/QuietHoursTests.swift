import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Quiet hours") struct QuietHoursTests {
  private static func hours(_ from: Int, _ until: Int) -> QuietHours {
    QuietHours(from: from, until: until, zone: nil, onHit: .defer)
  }

  private static func zone(_ name: String) throws -> TimeZone {
    try #require(TimeZone(identifier: name))
  }

  private static func instant(_ text: String) throws -> Date {
    try #require(Date(rfc3339: text))
  }

  @Test(
    "the next allowed instant",
    arguments: [
      // Over midnight, at the edges.
      ("Asia/Shanghai", 1320, 480, "2026-11-20T21:59:59+08:00", "2026-11-20T21:59:59+08:00"),
      ("Asia/Shanghai", 1320, 480, "2026-11-20T22:00:00+08:00", "2026-11-21T08:00:00+08:00"),
      ("Asia/Shanghai", 1320, 480, "2026-11-21T07:59:59+08:00", "2026-11-21T08:00:00+08:00"),
      ("Asia/Shanghai", 1320, 480, "2026-11-21T08:00:00+08:00", "2026-11-21T08:00:00+08:00"),
      // Within one day.
      ("UTC", 720, 780, "2026-11-20T12:30:30Z", "2026-11-20T13:00:00Z"),
      // The clock jumps from 02:00 to 03:00: hours until 02:30 end with the jump.
      (
        "America/New_York", 1320, 150, "2026-03-08T00:00:00-05:00", "2026-03-08T03:00:00-04:00"
      ),
      // What is allowed lasts from 01:50 to 02:30, and the clock jumps from 01:00 to 02:00.
      ("Europe/London", 150, 110, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
      // 01:30 comes twice; the first is the end.
      (
        "America/New_York", 1320, 90, "2026-11-01T00:00:00-04:00", "2026-11-01T01:30:00-04:00"
      ),
      // The second 01:00 is quiet again.
      (
        "America/New_York", 1320, 90, "2026-11-01T01:10:00-05:00", "2026-11-01T01:30:00-05:00"
      ),
      // Half an hour forth.
      (
        "Australia/Lord_Howe", 1320, 135, "2026-10-04T00:00:00+10:30",
        "2026-10-04T02:30:00+11:00"
      ),
    ])
  func examples(_ name: String, _ from: Int, _ until: Int, _ now: String, _ expected: String) throws
  {
    let next = Self.hours(from, until).nextAllowed(
      from: try Self.instant(now), in: try Self.zone(name))
    #expect(next == (try Self.instant(expected)), "\(next.rfc3339)")
  }

  @Test("in every zone, around its changes of clocks: never early, never quiet, never late")
  func property() throws {
    let seed = SeededRandom.seed
    var random = SeededRandom(seed: seed)
    let start = Date(timeIntervalSince1970: 1_767_225_600)
    for name in TimeZone.knownTimeZoneIdentifiers {
      let zone = try Self.zone(name)
      var edges = [start.addingTimeInterval(Double(random.below(31_536_000)))]
      var change = zone.nextDaylightSavingTimeTransition(after: start)
      while let at = change, edges.count < 3 {
        edges.append(at)
        change = zone.nextDaylightSavingTimeTransition(after: at)
      }
      for edge in edges {
        let now = edge.addingTimeInterval(Double(random.below(180_000) - 100_000) + 0.25)
        let from = random.below(1440)
        // Pauses and hours of a few minutes are where a change of clocks hurts.
        let length = random.chance(50) ? 1 + random.below(1438) : random.pick([1, 20, 1400, 1439])
        let hours = Self.hours(from, (from + length) % 1440)
        let context: Comment = "seed \(seed) \(name) \(hours) \(now.rfc3339)"
        Self.check(hours, now, zone, context)
      }
    }
  }

  private static func check(
    _ hours: QuietHours, _ now: Date, _ zone: TimeZone, _ context: Comment
  ) {
    let next = hours.nextAllowed(from: now, in: zone)
    #expect(next >= now, context)
    #expect(!wallSays(hours, next, zone), context)
    guard next > now else { return }
    #expect(wallSays(hours, now, zone), context)
    var minute = Date(timeIntervalSince1970: (now.timeIntervalSince1970 / 60).rounded(.up) * 60)
    // Offsets of all zones are whole minutes these days, so that walls change on whole minutes.
    while minute < next.addingTimeInterval(-1) {
      if !hours.isQuiet(at: minute, in: zone) {
        Issue.record("\(context) was allowed at \(minute.rfc3339), said \(next.rfc3339)")
        return
      }
      minute = minute.addingTimeInterval(60)
    }
  }

  /// What a calendar makes of it.
  private static func wallSays(_ hours: QuietHours, _ at: Date, _ zone: TimeZone) -> Bool {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    let parts = calendar.dateComponents([.hour, .minute], from: at)
    let minute = (parts.hour ?? 0) * 60 + (parts.minute ?? 0)
    return hours.from < hours.until
      ? minute >= hours.from && minute < hours.until
      : minute >= hours.from || minute < hours.until
  }
}

@Suite("Zones of plans")
struct PlanZonesTests {
  @Test(
    "a zone is known by each of its names",
    arguments: ["Asia/Kolkata", "Asia/Calcutta", "Europe/Kyiv", "Asia/Ho_Chi_Minh", "UTC"])
  func names(name: String) { #expect(TimeZones.isKnown(name)) }

  @Test(
    "abbreviations, offsets and nonsense are no zones",
    arguments: ["EST", "GMT+8", "+08:00", "Asia", "Asia/Nowhere", ""])
  func nonsense(name: String) { #expect(!TimeZones.isKnown(name)) }
}
