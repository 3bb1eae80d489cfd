import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Consents")
struct ConsentTests {
  @Test("are kept by channel and group, with source, time and history")
  func groups() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      try await herald.user(
        "u-1", ["consents": ["sms": "granted", "sms:promotions": "denied"]], key: key)
      let user = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(user.json["consents"] == ["sms": "granted", "sms:promotions": "denied"])

      let path = "/v1/users/external_id:u-1/consents"
      let first = try await herald.call(
        .put, "\(path)/email", ["state": "granted", "group": "news", "source": "shop"], key: key)
      #expect(first.status == 201)
      #expect(first.json["group"] == "news")
      #expect(first.json["source"] == "shop")
      herald.clock.advance(by: 60)
      let again = try await herald.call(
        .put, "\(path)/email", ["state": "granted", "group": "news"], key: key)
      #expect(again.status == 200)
      #expect(again.json == first.json)
      let denied = try await herald.call(
        .put, "\(path)/email", ["state": "denied", "group": "news"], key: key)
      #expect(denied.status == 200)
      let late = try await herald.call(
        .put, "\(path)/email",
        [
          "state": "granted", "group": "news",
          "at": .instant(herald.clock.now.addingTimeInterval(-30)),
        ], key: key)
      #expect(late.json["state"] == "denied")

      let list = try await herald.call(.get, path, key: key)
      #expect(list.json["data"]?.arrayValue?.count == 3)
      let history = try await herald.call(
        .get, "\(path)/history?channel=email&group=news&limit=2", key: key)
      #expect(history.json["data"]?.arrayValue?.map { $0["state"] } == ["denied", "granted"])
      let next = try #require(history.json["next"]?.stringValue)
      let rest = try await herald.call(
        .get, "\(path)/history?channel=email&group=news&after=\(next)", key: key)
      #expect(rest.json["data"]?.arrayValue?.map { $0["source"] } == ["shop"])
    }
  }

  @Test("in the future, of unknown channels or with a group of control characters are refused")
  func refused() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      try await herald.user("u-1", key: key)
      let path = "/v1/users/external_id:u-1/consents"
      let future = try await herald.call(
        .put, "\(path)/sms",
        ["state": "granted", "at": .instant(herald.clock.now.addingTimeInterval(5))], key: key)
      #expect(future.pointers == ["/at"])
      let group = try await herald.call(
        .put, "\(path)/sms", ["state": "granted", "group": "a\u{7}"], key: key)
      #expect(group.pointers == ["/group"])
      let pigeon = try await herald.call(.put, "\(path)/pigeon", ["state": "granted"], key: key)
      #expect(pigeon.status == 404)
      let upsert = try await herald.call(
        .post, "/v1/users",
        ["identities": ["external_id": "x"], "consents": ["sms:": "granted", "fax:a": "denied"]],
        key: key)
      #expect(upsert.pointers == ["/consents/sms:", "/consents/fax:a"])
    }
  }

  @Test("of unknown state count in `reachable` as the settings say")
  func reachable() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      let phone: JSONObject = ["identities": ["external_id": "u-1", "phone": "+8613800138000"]]
      let before = try await herald.call(.post, "/v1/users", .object(phone), key: key)
      #expect(before.json["reachable"]?.arrayValue?.contains("sms") == false)
      let settings = try await herald.call(
        .put, "/v1/settings", ["consents": ["unknown": ["marketing": ["sms": "allowed"]]]],
        key: key)
      #expect(settings.status == 200)
      let after = try await herald.call(.get, "/v1/users/external_id:u-1", key: key)
      #expect(after.json["reachable"]?.arrayValue?.contains("sms") == true)
    }
  }

  @Test("of the message's group hold it back, and let it through where the channel is unknown")
  func gate() {
    func verdict(_ channel: ConsentState, _ group: ConsentState) -> ReachRule.Verdict {
      ReachRule.verdict(
        channel: .sms, class: .marketing, consents: [.sms: channel], group: group,
        addresses: IdentityKind.all.filter { $0.key == "phone" }.map {
          Identity(kind: $0, value: "+8613800138000")
        }, devices: [], suppressed: [])
    }
    #expect(verdict(.granted, .denied) == .denied)
    #expect(verdict(.denied, .granted) == .denied)
    #expect(verdict(.unknown, .unknown) == .noConsent)
    #expect(verdict(.unknown, .granted) == .reachable(.phone("+8613800138000")))
    #expect(verdict(.granted, .unknown) == .reachable(.phone("+8613800138000")))
  }
}
