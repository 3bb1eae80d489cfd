import Foundation
import JSON
import Testing

@testable import Herald

@Suite("The gates before a hand-over") struct GatekeeperTests {
  private static let chain = PlanText.push + #",{"channel": "sms", "template": "m"}"#
  private static let night = #""quiet_hours": {"from": "00:00", "until": "23:59", "zone": "UTC""#

  @Test("a person who can be reached is reached by the first link")
  func first() throws {
    #expect(try GateScene(chain: Self.chain).decide() == "0>gw-push token")
  }

  @Test("a link that is not eligible gives way to the next at once")
  func fallback() throws {
    var scene = try GateScene(chain: Self.chain)
    for (user, words) in [
      (GateScene.person(device: false), "0:no_address 1>gw-sms phone"),
      (GateScene.person(consents: [.sms: .granted, .push: .denied]), "0:denied 1>gw-sms phone"),
      (GateScene.person(name: nil), "0:missing_value 1>gw-sms phone"),
      (GateScene.person(device: false, consents: [:]), "0:no_address 1:no_consent exhausted"),
      (
        GateScene.person(suppressed: [SuppressedAddress(kind: "token", value: "fcm:t")]),
        "0:suppressed 1>gw-sms phone"
      ),
    ] {
      scene.user = user
      #expect(scene.decide() == words)
    }
  }

  @Test(
    "suppression speaks before consent, consent before the address, the address before quiet hours")
  func order() throws {
    var scene = try GateScene(chain: PlanText.push, Self.night + #", "on_hit": "drop"}"#)
    let gone: Set = [SuppressedAddress(kind: "token", value: "fcm:t")]
    scene.user = GateScene.person(consents: [.push: .denied], suppressed: gone)
    #expect(scene.decide() == "0:suppressed exhausted")
    scene.user = GateScene.person(device: false, consents: [.push: .denied])
    #expect(scene.decide() == "0:denied exhausted")
    scene.user = GateScene.person(name: nil, device: false)
    #expect(scene.decide() == "0:no_address exhausted")
    scene.user = GateScene.person(name: nil)
    #expect(scene.decide() == "skip quiet_hours@quiet_hours")
  }

  @Test("the window comes before the expiry, the expiry before the person")
  func whole() throws {
    let window = #""window": {"from": "2026-10-26T00:00:00Z", "until": "2026-10-26T04:00:00Z"}"#
    var scene = try GateScene(chain: PlanText.push, window, step: #""not_after": "30m""#)
    scene.user = nil
    let entry = GateScene.entry(stepEnteredAt: try #require(Date(rfc3339: "2026-10-26T01:00:00Z")))
    for (now, words) in [
      ("2026-10-25T23:59:59Z", "postpone window 2026-10-26T00:00:00.000Z"),
      ("2026-10-26T01:30:00Z", "skip erased@consent"),
      ("2026-10-26T01:30:01Z", "skip expired@expiry"),
      ("2026-10-26T04:00:00Z", "skip outside_window@window"),
    ] {
      scene.now = try #require(Date(rfc3339: now))
      #expect(scene.decide(entry) == words)
    }
  }

  @Test("quiet hours put off or drop; in the person's zone unless the plan names one")
  func quiet() throws {
    var scene = try GateScene(
      chain: PlanText.push, #""quiet_hours": {"from": "22:00", "until": "08:00"}"#)
    scene.now = try #require(Date(rfc3339: "2026-10-26T23:00:00+08:00"))
    #expect(scene.decide() == "postpone quiet_hours 2026-10-27T00:00:00.000Z")
    scene.user = GateScene.person(zone: "Europe/London")
    #expect(scene.decide() == "0>gw-push token")
    scene.user = GateScene.person(zone: nil)
    #expect(scene.decide() == "postpone quiet_hours 2026-10-27T00:00:00.000Z")
  }

  @Test("transactional messages need no consent but respect a denial")
  func transactional() throws {
    var scene = try GateScene(
      chain: #"{"channel": "sms", "template": "m"}"#, #""class": "transactional""#)
    scene.user = GateScene.person(consents: [:])
    #expect(scene.decide() == "0>gw-sms phone")
    scene.user = GateScene.person(consents: [.sms: .denied])
    #expect(scene.decide() == "0:denied exhausted")
  }

  @Test("a follow-up goes on to the next link unless the receipt came")
  func followUp() throws {
    let chain =
      PlanText.push
      + #",{"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}"#
    var scene = try GateScene(chain: chain)
    let entry = GateScene.entry(phase: .followUp)
    #expect(scene.decide(entry) == "1>gw-sms phone")
    scene.receiptArrived = true
    #expect(scene.decide(entry) == "settled")
    scene.receiptArrived = false
    scene.user = GateScene.person(consents: [:])
    #expect(scene.decide(entry) == "1:no_consent exhausted")
  }

  @Test("without a sender that may carry it, a message waits")
  func noSender() throws {
    var scene = try GateScene(chain: Self.chain)
    scene.senders[.push] = nil
    #expect(scene.decide() == "no_sender 0")
  }

  @Test("a device nobody can send to is no address")
  func providers() throws {
    var scene = try GateScene(chain: Self.chain)
    scene.tokenProviders = ["apns"]
    #expect(scene.decide() == "0:no_address 1>gw-sms phone")
  }

  @Test("a second try keeps the sender and the very content of the first")
  func stable() throws {
    var scene = try GateScene(chain: PlanText.push)
    scene.senders[.push] = [
      GateScene.sender("a", .push, weight: 1000), GateScene.sender("b", .push, weight: 0),
    ]
    scene.user = GateScene.person(name: "韩梅梅")
    let kept: JSONValue = ["title": "Hi", "body": "Hi 李雷"]
    let verdict = Gatekeeper(now: scene.now).decide(
      GateScene.entry(tries: 1, sender: "b", content: kept), scene.facts
    ).verdict
    guard case .handOver(_, _, let sender, let content) = verdict else {
      Issue.record("not handed over: \(verdict)")
      return
    }
    #expect(sender.key == "b")
    #expect(content == kept)
  }

  @Test("a coupon is issued where its link is reached")
  func coupon() throws {
    var scene = try GateScene(chain: PlanText.push + "," + PlanText.coupon)
    scene.user = GateScene.person(device: false)
    #expect(scene.decide() == "0:no_address issue 1 c")
  }
}
