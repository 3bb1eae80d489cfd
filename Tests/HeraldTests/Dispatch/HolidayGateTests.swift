import Foundation
import JSON
import Testing

@testable import Herald

@Suite("Holidays at the gates") struct HolidayGateTests {
  private static func scene(_ pressure: String, quiet: String = "") throws -> GateScene {
    var scene = try GateScene(chain: PlanText.push, "\(pressure)\(quiet)")
    scene.now = try #require(Date(rfc3339: "2026-10-01T10:00:00+08:00"))
    scene.holidays = [
      Holiday(
        name: "National Day", from: try #require(CivilDay("2026-10-01")),
        through: try #require(CivilDay("2026-10-07")))
    ]
    return scene
  }

  @Test("a plan waits for the end of a holiday, is dropped, or takes no notice, as it says")
  func choices() throws {
    for (choice, words) in [
      ("defer", "postpone quiet_hours 2026-10-07T16:00:00.000Z"),
      ("drop", "skip holiday@quiet_hours"), ("ignore", "0>gw-push token"),
    ] {
      let scene = try Self.scene(#""pressure": {"on_holiday": "\#(choice)"}"#)
      #expect(scene.decide() == words)
    }
  }

  @Test("it is the person's holiday, by zone, phone number, or else the project's zone")
  func zones() throws {
    var scene = try Self.scene(#""priority": 50"#)
    scene.now = try #require(Date(rfc3339: "2026-09-30T23:00:00+08:00"))
    for (zone, region, isFree) in [
      ("Asia/Tokyo", true, false), ("Asia/Shanghai", true, true), (nil, true, true),
    ] as [(String?, Bool, Bool)] {
      scene.user = GateScene.person(phone: region, zone: zone)
      #expect((scene.decide() == "0>gw-push token") == isFree, "\(zone ?? "-")")
    }
    #expect(PhoneRegion.zone(of: "+819012345678") == "Asia/Tokyo")
    #expect(PhoneRegion.zone(of: "+85261234567") == "Asia/Hong_Kong")
    #expect(PhoneRegion.zone(of: "+12025550123") == nil)
  }

  @Test("what waits through the night waits through the holiday that follows")
  func both() throws {
    var scene = try Self.scene(
      #""quiet_hours": {"from": "22:00", "until": "08:00"}"#)
    scene.now = try #require(Date(rfc3339: "2026-09-30T23:00:00+08:00"))
    #expect(scene.decide() == "postpone quiet_hours 2026-10-08T00:00:00.000Z")
  }
}
