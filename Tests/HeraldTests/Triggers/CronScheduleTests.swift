import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Cron schedules") struct CronScheduleTests {
  private static func zone(_ name: String) throws -> TimeZone {
    try #require(TimeZone(identifier: name))
  }

  private static func date(_ text: String) throws -> Date { try #require(Date(rfc3339: text)) }

  private static func firings(
    _ cron: String, _ zone: String, after: String, count: Int
  ) throws -> [String] {
    let schedule = try #require(CronSchedule(cron))
    var last = try date(after)
    return try (0..<count).map { _ in
      last = try #require(schedule.next(after: last, in: Self.zone(zone)))
      return last.rfc3339.replacingOccurrences(of: ".000Z", with: "Z")
    }
  }

  @Test(
    "what is no schedule, or never comes, is refused",
    arguments: [
      "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
      "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "1,,2 * * * *", "a * * * *",
      "-1 * * * *", "+1 * * * *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 * * mo", "1/2/3 * * * *",
    ])
  func refused(_ text: String) {
    #expect(CronSchedule(text) == nil)
  }

  @Test("fields mean what cron means")
  func fields() throws {
    #expect(
      try Self.firings("*/20 9-10 * * mon-fri", "UTC", after: "2026-11-20T10:39:00Z", count: 3)
        == ["2026-11-20T10:40:00Z", "2026-11-23T09:00:00Z", "2026-11-23T09:20:00Z"])
    #expect(
      try Self.firings("0 0 13 * 5", "UTC", after: "2026-11-01T00:00:00Z", count: 4) == [
        "2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z",
        "2026-11-27T00:00:00Z",
      ])
    #expect(
      try Self.firings("30 8 1 JAN,jul 7", "UTC", after: "2026-12-01T00:00:00Z", count: 2)
        == ["2027-01-01T08:30:00Z", "2027-01-03T08:30:00Z"])
    #expect(
      try Self.firings("0 0 29 2 *", "Asia/Shanghai", after: "2096-03-01T00:00:00Z", count: 1)
        == ["2104-02-28T16:00:00Z"])
  }

  @Test("a time left out fires at the change of clocks, one that comes twice the first time")
  func changes() throws {
    #expect(
      try Self.firings("30 2 * * *", "Europe/Berlin", after: "2026-03-28T12:00:00Z", count: 2)
        == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"])
    #expect(
      try Self.firings("0,30 2,3 * * *", "Europe/Berlin", after: "2026-03-29T00:00:00Z", count: 3)
        == ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:00:00Z"])
    #expect(
      try Self.firings("30 2 * * *", "Europe/Berlin", after: "2026-10-24T12:00:00Z", count: 2)
        == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])
    // Asked in the hour that comes again, it has fired already.
    #expect(
      try Self.firings("30 2 * * *", "Europe/Berlin", after: "2026-10-25T01:10:00Z", count: 1)
        == ["2026-10-26T01:30:00Z"])
    // Lord Howe moves by half an hour, Cairo at midnight.
    #expect(
      try Self.firings("15 2 * * *", "Australia/Lord_Howe", after: "2026-10-03T12:00:00Z", count: 1)
        == ["2026-10-03T15:30:00Z"])
    #expect(
      try Self.firings("0 0 * * *", "Africa/Cairo", after: "2026-04-23T00:00:00Z", count: 2)
        == ["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"])
    // Samoa had no 30 December 2011.
    #expect(
      try Self.firings("0 10 * * *", "Pacific/Apia", after: "2011-12-29T00:00:00Z", count: 2)
        == ["2011-12-29T20:00:00Z", "2011-12-30T20:00:00Z"])
  }

  @Test("the end is inclusive")
  func end() throws {
    let noon = try #require(CronSchedule("0 12 * * *"))
    let start = try Self.date("2026-11-20T00:00:00Z")
    let end = try Self.date("2026-11-22T12:00:00Z")
    let utc = try Self.zone("UTC")
    #expect(noon.all(after: start, through: end, in: utc, limit: 10).count == 3)
    #expect(
      noon.all(after: start, through: end.addingTimeInterval(-1), in: utc, limit: 10).count == 2)
    #expect(
      noon.all(after: start, through: end, in: utc, limit: 2)
        == [end.addingTimeInterval(-86_400), end])
  }

  @Test("in every zone of the database, each day of five years has exactly one firing")
  func everyZone() throws {
    let first = try Self.date("2023-12-30T00:00:00Z")
    let schedules = try ["30 2 * * *", "0 0 * * *", "59 23 * * *"].map {
      try #require(CronSchedule($0))
    }
    for name in TimeZone.knownTimeZoneIdentifiers {
      let zone = try Self.zone(name)
      let clock = WallClock(zone)
      for schedule in schedules {
        var last = first
        var lastDay = clock.day(of: first).daysSince1970
        for _ in 0..<(5 * 366) {
          let next = try #require(schedule.next(after: last, in: zone))
          let wall = clock.wall(at: next)
          let day = WallClock.day(of: wall).daysSince1970
          let isFirst = last == first && day == lastDay
          // What a change of clocks at midnight leaves out fires when the next day begins.
          let isPutOff = day == lastDay + 2 && wall % 86_400 == 0
          guard next > last, isFirst || day == lastDay + 1 || isPutOff else {
            Issue.record("\(name) \(schedule.text): \(last.rfc3339) then \(next.rfc3339)")
            break
          }
          (last, lastDay) = (next, isPutOff ? day - 1 : day)
        }
      }
    }
  }

  @Test("wall times and instants agree in every zone around every change of clocks since 1970")
  func walls() throws {
    for name in TimeZone.knownTimeZoneIdentifiers {
      let zone = try Self.zone(name)
      let clock = WallClock(zone)
      var instant = Date(timeIntervalSince1970: 0)
      while let change = zone.nextDaylightSavingTimeTransition(after: instant),
        change.timeIntervalSince1970 < 2_000_000_000, change > instant
      {
        instant = change
        var earlier: Date?
        for seconds in stride(from: -9000.0, through: 9000, by: 900) {
          let moment = change.addingTimeInterval(seconds)
          let wall = clock.wall(at: moment)
          let found = clock.instant(atWall: wall).instant
          // The first instant that shows it.
          if found > moment || clock.wall(at: found) != wall {
            Issue.record("\(name): \(moment.rfc3339) is shown at \(found.rfc3339)")
          }
          let byWall = clock.instant(atWall: Int(change.timeIntervalSince1970 + seconds)).instant
          if let earlier, byWall < earlier { Issue.record("\(name): order at \(moment.rfc3339)") }
          earlier = byWall
        }
      }
    }
  }
}
