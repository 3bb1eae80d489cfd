import Foundation
import JSON
import Testing

@testable import Herald

@Suite("What caps say of a person") struct CapStandingTests {
  private static func cap(_ json: String, key: String = "c") throws -> Cap {
    let faults = Faults()
    let reader = try #require(
      ObjectReader(try JSONScanner.parse(Array(json.utf8)), faults: faults))
    let cap = Cap(key: key, reader)
    #expect(faults.isEmpty, "\(faults.all)")
    return try #require(cap)
  }

  private static func instant(_ text: String) throws -> Date { try #require(Date(rfc3339: text)) }

  private static func use(
    _ at: Date, _ channel: Channel = .push, _ category: String? = nil, plan: String = "other"
  ) -> CapUse {
    CapUse(
      at: at, delivery: UUID(), link: 0, channel: channel, category: category, plan: plan)
  }

  private static func wish(_ at: Date) -> CapStanding.Wish { CapStanding.Wish(use: use(at)) }

  private static func zone(_ name: String) throws -> TimeZone {
    try #require(TimeZone(identifier: name))
  }

  @Test("a rolling span is open at its far end, exact to the instant")
  func rolling() throws {
    let now = try Self.instant("2026-11-20T12:00:00Z")
    let cap = try Self.cap(#"{"scope": "all", "limit": 1, "per": "7d"}"#)
    let span = Double(7 * 86_400)
    for (age, isRefused) in [(span, false), (span - 0.001, true), (0, true)] {
      let standing = CapStanding(caps: [cap], uses: [Self.use(now.addingTimeInterval(-age))])
      #expect((standing.refusal(of: Self.wish(now), zone: .gmt) != nil) == isRefused, "\(age)")
    }
  }

  @Test(
    "days, weeks and months begin at midnight on the person's wall",
    arguments: [
      ("day", "Asia/Shanghai", "2026-11-20T23:59:59+08:00", "2026-11-21T00:00:00+08:00"),
      ("week", "Asia/Shanghai", "2026-11-20T10:00:00+08:00", "2026-11-23T00:00:00+08:00"),
      ("week", "Asia/Shanghai", "2026-11-23T00:00:00+08:00", "2026-11-30T00:00:00+08:00"),
      ("month", "Asia/Shanghai", "2026-02-28T23:00:00+08:00", "2026-03-01T00:00:00+08:00"),
      ("month", "America/New_York", "2026-12-31T12:00:00Z", "2027-01-01T00:00:00-05:00"),
      // 23 and 25 hours long.
      ("day", "America/New_York", "2026-03-08T01:00:00-05:00", "2026-03-09T00:00:00-04:00"),
      ("day", "America/New_York", "2026-11-01T01:00:00-04:00", "2026-11-02T00:00:00-05:00"),
      // Midnight does not come there on that day.
      ("day", "America/Asuncion", "2024-10-05T12:00:00-04:00", "2024-10-06T01:00:00-03:00"),
    ])
  func calendar(_ unit: String, _ zone: String, _ used: String, _ free: String) throws {
    let cap = try Self.cap(#"{"scope": "all", "limit": 1, "per": {"calendar": "\#(unit)"}}"#)
    let standing = CapStanding(caps: [cap], uses: [Self.use(try Self.instant(used))])
    let zone = try Self.zone(zone)
    let free = try Self.instant(free)
    let late = standing.refusal(of: Self.wish(free.addingTimeInterval(-1)), zone: zone)
    #expect(late?.until == free, "\(late?.until.rfc3339 ?? "-")")
    #expect(standing.refusal(of: Self.wish(free), zone: zone) == nil)
  }

  @Test("scopes count and refuse their own messages; the issue of a coupon is no message")
  func scopes() throws {
    let now = try Self.instant("2026-11-20T12:00:00Z")
    let earlier = now.addingTimeInterval(-60)
    func refused(_ scope: String, _ use: CapUse, _ wish: CapUse) throws -> Bool {
      let cap = try Self.cap(#"{"scope": \#(scope), "limit": 1, "per": "1d"}"#)
      return CapStanding(caps: [cap], uses: [use]).refusal(
        of: CapStanding.Wish(use: wish), zone: .gmt) != nil
    }
    #expect(try refused(#""all""#, Self.use(earlier, .sms), Self.use(now, .push)))
    #expect(try !refused(#""all""#, Self.use(earlier, .coupon), Self.use(now, .push)))
    #expect(try !refused(#""all""#, Self.use(earlier, .push), Self.use(now, .coupon)))
    #expect(try refused(#"{"channel": "sms"}"#, Self.use(earlier, .sms), Self.use(now, .sms)))
    #expect(try !refused(#"{"channel": "sms"}"#, Self.use(earlier, .sms), Self.use(now, .push)))
    #expect(try !refused(#"{"channel": "sms"}"#, Self.use(earlier, .push), Self.use(now, .sms)))
    #expect(
      try refused(#"{"channel": "coupon"}"#, Self.use(earlier, .coupon), Self.use(now, .coupon)))
    let category = #"{"category": "checkout"}"#
    #expect(
      try refused(
        category, Self.use(earlier, .sms, "checkout"), Self.use(now, .push, "checkout")))
    #expect(
      try !refused(category, Self.use(earlier, .sms, "news"), Self.use(now, .push, "checkout")))
    #expect(try !refused(category, Self.use(earlier, .sms, "checkout"), Self.use(now, .push)))
  }

  @Test("a delivery does not stand in its own way")
  func own() throws {
    let now = try Self.instant("2026-11-20T12:00:00Z")
    let cap = try Self.cap(#"{"scope": "all", "limit": 1, "per": "1d"}"#)
    let use = Self.use(now.addingTimeInterval(-60))
    let again = CapUse(
      at: now, delivery: use.delivery, link: 0, channel: .push, category: nil, plan: use.plan)
    #expect(
      CapStanding(caps: [cap], uses: [use]).refusal(of: CapStanding.Wish(use: again), zone: .gmt)
        == nil)
    let next = CapUse(
      at: now, delivery: use.delivery, link: 1, channel: .sms, category: nil, plan: use.plan)
    #expect(
      CapStanding(caps: [cap], uses: [use]).refusal(of: CapStanding.Wish(use: next), zone: .gmt)
        != nil)
  }

  @Test("who obeys never exceeds a cap in any span, and is let in as soon as there is room")
  func property() throws {
    let seed = SeededRandom.seed
    var random = SeededRandom(seed: seed)
    let zones = TimeZone.knownTimeZoneIdentifiers
    for _ in 0..<120 {
      let zone = try Self.zone(random.pick(zones))
      let limit = 1 + random.below(4)
      let text =
        random.chance(50)
        ? #"{"scope": "all", "limit": \#(limit), "per": "\#(1 + random.below(72))h"}"#
        : #"""
        {"scope": "all", "limit": \#(limit), "per": {"calendar": "\#(random.pick(["day", "week"]))"}}
        """#
      let cap = try Self.cap(text)
      let context: Comment = "seed \(seed) \(zone.identifier) \(text)"
      var standing = CapStanding(caps: [cap])
      // Around a change of clocks, where there is one.
      let start = Date(timeIntervalSince1970: 1_767_225_600)
      var now = (zone.nextDaylightSavingTimeTransition(after: start) ?? start)
        .addingTimeInterval(-Double(random.below(200_000)))
      for _ in 0..<60 {
        now = now.addingTimeInterval(Double(random.below(20_000)))
        let wish = Self.use(now)
        guard let refusal = standing.refusal(of: CapStanding.Wish(use: wish), zone: zone) else {
          standing.uses.append(wish)
          continue
        }
        #expect(
          standing.refusal(of: Self.wish(refusal.until.addingTimeInterval(-1)), zone: zone) != nil
            || refusal.until <= now.addingTimeInterval(1), context)
        #expect(standing.refusal(of: Self.wish(refusal.until), zone: zone) == nil, context)
      }
      for use in standing.uses {
        let counted = standing.uses.filter {
          $0.at <= use.at && cap.span.counts($0.at, at: use.at, zone: zone)
        }
        #expect(counted.count <= limit, context)
      }
    }
  }
}
