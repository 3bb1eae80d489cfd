import Foundation
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Caps at the gates") struct CapGateTests {
  private static let sms = #"{"channel": "sms", "template": "m"}"#
  private static let day: JSONValue = ["scope": "all", "limit": 1, "per": "1d"]

  private func delivery(_ scene: CampaignScene, _ plan: String) async throws -> JSONValue {
    let answer = try await scene.herald.call(
      .get, "/v1/users/external_id:u-0/explain?plan=\(plan)", key: scene.admin)
    return answer.json["decisions"]?.arrayValue?.last { $0["step"]?.stringValue != nil } ?? .null
  }

  @Test("who had enough is skipped, and explain names the cap, what it saw and who won")
  func drop() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.drain()
      try await scene.launch(PlanText.plan(), key: "second")
      try await scene.drain(60)
      #expect(scene.herald.channel.messages.map(\.plan) == ["first"])
      let books = try await scene.accounting("second")
      #expect(books["balanced"] == true)
      #expect(books["steps"]?["hello"]?["skipped"] == ["capped": 1])
      let decision = try await delivery(scene, "second")
      #expect(decision["gate"] == "caps" && decision["code"] == "capped")
      let values = decision["values"]
      #expect(values?["cap"] == "daily" && values?["limit"] == 1 && values?["used"] == 1)
      #expect(values?["won_by"]?["plan"] == "first")
    }
  }

  @Test("a message sent again, since nobody knew whether it had gone out, counts from then on")
  func sentAgain() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/breath", ["scope": "all", "gap": "2h"])
      scene.herald.channel.reply { _ in .unknown(reason: "timeout") }
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.drain()
      scene.herald.channel.reply { _ in .sent(providerID: nil) }
      try await scene.drain(5400)
      #expect(try await delivery(scene, "first")["outcome"] == "sent")
      scene.herald.clock.advance(by: 3600)
      try await scene.launch(PlanText.plan(#""pressure": {"on_gap": "drop"}"#), key: "second")
      try await scene.drain()
      #expect(try await delivery(scene, "second")["code"] == "minimum_gap")
    }
  }

  @Test("nor is it sent again while others have the room")
  func notSentAgain() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/breath", ["scope": "all", "gap": "2h"])
      scene.herald.channel.reply { _ in .unknown(reason: "timeout") }
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.drain()
      scene.herald.channel.reply { _ in .sent(providerID: nil) }
      let pause = try await scene.herald.call(.post, "/v1/plans/first/pause", key: scene.author)
      try #require(pause.status == 200)
      try await scene.drain(60)
      scene.herald.clock.advance(by: 7200)
      try await scene.launch(PlanText.plan(), key: "second")
      try await scene.drain()
      #expect(scene.herald.channel.messages.map(\.plan) == ["first", "second"])
      let resume = try await scene.herald.call(.post, "/v1/plans/first/resume", key: scene.author)
      try #require(resume.status == 200)
      try await scene.drain(60)
      #expect(scene.herald.channel.messages.map(\.plan) == ["first", "second"])
      try await scene.drain(7200)
      #expect(scene.herald.channel.messages.map(\.plan) == ["first", "second", "first"])
      #expect(try await delivery(scene, "first")["outcome"] == "sent")
    }
  }

  @Test("a plan that would rather wait says so, and sends when there is room")
  func wait() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.drain()
      try await scene.launch(PlanText.plan(#""pressure": {"on_capped": "defer"}"#), key: "second")
      try await scene.drain(60)
      let waiting = try await delivery(scene, "second")
      #expect(waiting["outcome"] == "pending" && waiting["code"] == "capped")
      #expect(waiting["gate"] == "caps" && waiting["values"]?["won_by"]?["plan"] == "first")
      #expect(try await scene.accounting("second")["balanced"] == true)
      try await scene.drain(86_400 - 61)
      #expect(scene.herald.channel.messages.count == 1)
      try await scene.drain(1)
      #expect(scene.herald.channel.messages.map(\.plan) == ["first", "second"])
      let sent = try await delivery(scene, "second")
      #expect(sent["outcome"] == "sent" && sent["code"] == .null, "\(sent.text)")
      #expect(try await scene.states("second") == ["completed"])
    }
  }

  @Test("nobody waits for room that comes too late")
  func tooLate() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.drain()
      try await scene.launch(
        PlanText.plan(
          #""pressure": {"on_capped": "defer"}"#,
          steps: PlanText.step("hello", PlanText.push, #""not_after": "23h""#)), key: "second")
      try await scene.drain()
      #expect(
        try await scene.accounting("second")["steps"]?["hello"]?["skipped"] == ["capped": 1])
    }
  }

  @Test("a channel that had enough gives way to the next at once")
  func fallback() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put(
        "caps/push", ["scope": ["channel": "push"], "limit": 1, "per": ["calendar": "day"]])
      for key in ["first", "second"] {
        try await scene.launch(
          PlanText.plan(steps: PlanText.step("hello", PlanText.push + "," + Self.sms)), key: key)
        try await scene.drain()
      }
      #expect(scene.herald.channel.messages.map(\.channel) == [.push, .sms])
    }
  }

  @Test("messages keep their distance: the later one waits unless its plan drops it")
  func gap() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/pause", ["scope": "all", "gap": "2h"])
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.launch(PlanText.plan(), key: "second")
      try await scene.launch(PlanText.plan(#""pressure": {"on_gap": "drop"}"#), key: "third")
      try await scene.drain()
      #expect(scene.herald.channel.messages.count == 1)
      let third = try await scene.accounting("third")["steps"]?["hello"]
      if scene.herald.channel.messages.first?.plan != "third" {
        #expect(third?["skipped"] == ["minimum_gap": 1])
      }
      try await scene.drain(7199)
      #expect(scene.herald.channel.messages.count == 1)
      try await scene.drain(1)
      #expect(scene.herald.channel.messages.count == 2)
    }
  }

  @Test("transactional messages are neither capped nor counted")
  func transactional() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      for (key, kind) in [
        ("a", "transactional"), ("b", "marketing"), ("c", "transactional"), ("d", "marketing"),
      ] {
        try await scene.draft(PlanText.plan(#""class": "\#(kind)""#), key: key, by: scene.admin)
        let submitted = try await scene.submit(key, by: scene.admin)
        #expect(try await scene.approve(submitted).status == 200)
        try await scene.drain()
      }
      #expect(scene.herald.channel.messages.map(\.plan) == ["a", "b", "c"])
    }
  }

  @Test("what failed gives its slot back; what may have gone out keeps it")
  func giveBack() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      scene.herald.channel.reply { message in
        message.plan == "first"
          ? .rejected(reason: "no", addressDead: false) : .sent(providerID: nil)
      }
      for key in ["first", "second", "third"] {
        try await scene.launch(PlanText.plan(), key: key)
        try await scene.drain()
      }
      #expect(scene.herald.channel.messages.map(\.plan) == ["first", "second"])
      #expect(try await scene.herald.count("SELECT count(*) FROM cap_uses") == 1)
    }
  }

  @Test("what was in doubt and is refused then gives its slot back, to the next link first")
  func doubtful() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      let tries = Mutex(0)
      scene.herald.channel.reply { message in
        guard message.channel == .push else { return .sent(providerID: nil) }
        let isFirst = tries.withLock {
          $0 += 1
          return $0 == 1
        }
        return isFirst ? .unknown(reason: "cut") : .rejected(reason: "no", addressDead: false)
      }
      try await scene.launch(
        PlanText.plan(
          steps: PlanText.step("hello", PlanText.push + #",{"channel": "sms", "template": "m"}"#)))
      try await scene.drain(3600)
      #expect(scene.herald.channel.messages.map(\.channel) == [.push, .push, .sms])
      #expect(try await scene.herald.count("SELECT count(*) FROM cap_uses") == 1)
    }
  }

  @Test("two who become one person share what they were sent")
  func merged() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.put("caps/daily", ["scope": "all", "limit": 2, "per": "1d"])
      try await scene.launch(PlanText.plan(), key: "first")
      try await scene.drain()
      try await scene.launch(
        PlanText.plan(
          steps: #"{"id": "rest", "wait": "1h"},"# + PlanText.step("hello", PlanText.push)),
        key: "second")
      try await scene.drain()
      let answer = try await scene.herald.call(
        .post, "/v1/users/external_id:u-0/merge", ["from": "external_id:u-1"], key: scene.admin)
      try #require(answer.status < 300, "\(answer.json.text)")
      try await scene.drain(3600)
      // Both had one; both wait in the second plan, and there is no room for either.
      #expect(scene.herald.channel.messages.count == 2)
      #expect(
        try await scene.accounting("second")["steps"]?["hello"]?["skipped"] == ["capped": 2])
    }
  }
}
