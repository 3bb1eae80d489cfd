import Conditions
import Foundation
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

/// `herald_moment` reads what `Date(rfc3339:)` and `CivilDay` read, and refuses what they refuse.
@Suite("Moments in SQL and Swift", .segmentDatabase)
struct SegmentMomentTests {
  static let texts = [
    "2026-02-28", "2026-02-29", "2024-02-29", "1900-02-29", "2000-02-29", "0000-02-29",
    "2026-04-31",
    "2026-13-01", "2026-00-01", "2026-01-00", "26-01-01", "2026-1-01", " 2026-01-01", "2026-01-01 ",
    "２０２６-01-01", "2026-01-01T00:00:00Z", "2026-01-01t00:00:00z", "2026-01-01 00:00:00Z",
    "2026-01-01T00:00:00", "2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z", "2026-01-01T23:59:60Z",
    "2016-12-31T23:59:60Z", "2017-01-01T07:59:60+08:00", "2016-12-31T23:59:60.9Z",
    "2016-12-31T23:59:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.123Z",
    "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00+24:00",
    "2026-01-01T00:00:00-08:60", "2026-01-01T00:00:00+0800", "0000-12-31T00:00:00Z",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "infinity", "now",
    "", "-infinity", "2026-01-01T00:00:00Z\n", "epoch", "2026-W01-1", "1e3",
  ]

  @Test("Both read the same moment from a text, or none", arguments: texts)
  func same(text: String) async throws {
    let inSQL = try await SegmentFixture.db.read { db in
      try db.one("SELECT herald_moment(\(text), 'UTC')")?.get(0, as: Date?.self) ?? nil
    }
    let day = CivilDay(text).map { Date(timeIntervalSince1970: Double($0.daysSince1970) * 86_400) }
    let inSwift = day ?? Date(rfc3339: text)
    switch (inSQL, inSwift) {
    case (nil, nil): break
    case (let a?, let b?): #expect(abs(a.timeIntervalSince(b)) < 1e-5)
    default:
      Issue.record(
        "'\(text)' is \(String(describing: inSQL)) in SQL, \(String(describing: inSwift)) in Swift")
    }
  }
}
