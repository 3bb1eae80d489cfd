import Foundation
import JSON
import Testing

@Suite("Instants and durations")
struct TimeTests {
  @Test(
    "RFC 3339 is read",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2026-11-20T10:00:00+08:00", 1_795_140_000),
      ("2026-11-20t10:00:00.5z", 1_795_168_800.5), ("2024-02-29T23:59:59-23:59", 1_709_337_539),
      ("2016-12-31T23:59:60Z", 1_483_228_800), ("2017-01-01T07:59:60+08:00", 1_483_228_800),
      ("0001-01-01T00:00:00Z", -62_135_596_800), ("9999-12-31T23:59:59Z", 253_402_300_799),
      ("2026-01-01T00:00:00.123456789012-00:00", 1_767_225_600.123456789),
    ] as [(String, Double)])
  func reads(text: String, seconds: Double) throws {
    let date = try #require(Date(rfc3339: text))
    #expect(abs(date.timeIntervalSince1970 - seconds) < 1e-4)
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", "infinity", "-infinity", "now", "2026-01-01", "2026-01-01T00:00:00",
      "2026-01-01 00:00:00Z", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
      "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
      "2026-01-01T12:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+8:00",
      "2026-01-01T00:00:00+0800", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Z ",
      "0000-01-01T00:00:00Z", "+2026-01-01T00:00:00Z", "２０２６-01-01T00:00:00Z",
      "1900-02-29T00:00:00Z", "2026-01-01T00:00:00+08:00Z",
    ])
  func refuses(text: String) { #expect(Date(rfc3339: text) == nil) }

  @Test("instants are written in UTC with milliseconds, and read back")
  func writes() {
    #expect(Date(timeIntervalSince1970: 1_767_225_600).rfc3339 == "2026-01-01T00:00:00.000Z")
    #expect(Date(timeIntervalSince1970: 1.9996).rfc3339 == "1970-01-01T00:00:02.000Z")
    #expect(Date(timeIntervalSince1970: -0.001).rfc3339 == "1969-12-31T23:59:59.999Z")
    #expect(Date.distantPast.rfc3339 == "0001-01-01T00:00:00.000Z")
    #expect(Date(timeIntervalSince1970: 1e300).rfc3339 == "9999-12-31T23:59:59.999Z")
    var seconds = -62_135_596_800.0
    while seconds < 253_402_300_799 {
      let date = Date(timeIntervalSince1970: seconds + 0.125)
      #expect(Date(rfc3339: date.rfc3339)?.rfc3339 == date.rfc3339)
      seconds += 123_456_789
    }
  }

  @Test("Foundation's calendar agrees on days")
  func days() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    for count in stride(from: -100_000, through: 1_000_000, by: 997) {
      let day = CivilDay(daysSince1970: count)
      #expect(day.daysSince1970 == count)
      let parts = calendar.dateComponents(
        [.year, .month, .day], from: Date(timeIntervalSince1970: Double(count) * 86_400))
      guard count > -141_000 else { continue }
      #expect([day.year, day.month, day.day] == [parts.year, parts.month, parts.day])
    }
    #expect(CivilDay("2024-02-29") != nil)
    #expect(CivilDay("2023-02-29") == nil)
    #expect(CivilDay("2023-2-09") == nil)
  }

  @Test(
    "durations",
    arguments: [
      ("30s", 30), ("10m", 600), ("24h", 86_400), ("7d", 604_800), ("2w", 1_209_600), ("0s", 0),
      ("", nil), ("s", nil), ("10", nil), ("-1s", nil), ("1.5h", nil), ("1y", nil), ("1 d", nil),
      ("99999999999w", nil), ("999999999999999999999s", nil), ("37000d", nil), ("１d", nil),
    ] as [(String, Int?)])
  func durations(text: String, seconds: Int?) {
    #expect(TimeSpan(text)?.seconds == seconds)
    if let span = TimeSpan(text) { #expect(TimeSpan(span.description) == span) }
  }

  @Test("equal durations read the same")
  func canonical() {
    #expect(TimeSpan("14d")?.description == TimeSpan("2w")?.description)
    #expect(TimeSpan("90m")?.description == "90m")
    #expect(TimeSpan("3600s")?.description == "1h")
  }
}
