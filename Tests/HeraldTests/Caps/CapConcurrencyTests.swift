import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Caps under concurrency") struct CapConcurrencyTests {
  @Test("sixteen campaigns, two dispatchers, the same people: never one message too many")
  func crowd() async throws {
    try await CampaignScene.with { scene in
      let people = 96
      try await scene.people(people)
      try await scene.put("caps/daily", ["scope": "all", "limit": 3, "per": "1d"])
      try await scene.put(
        "caps/sms", ["scope": ["channel": "sms"], "limit": 1, "per": ["calendar": "week"]])
      let chains = [PlanText.push, #"{"channel": "sms", "template": "m"}"#]
      for number in 0..<16 {
        try await scene.launch(
          PlanText.plan(steps: PlanText.step("hello", chains[number % 2])), key: "plan-\(number)")
      }
      // Everybody is in the queue before anybody is sent to.
      let stop = try await scene.herald.call(.post, "/v1/stop", key: scene.admin)
      try #require(stop.status == 200)
      try await scene.drain()
      #expect(scene.herald.channel.messages.isEmpty)
      #expect(try await scene.herald.call(.post, "/v1/start", key: scene.admin).status == 200)
      let there = try HeraldInProcess(
        pool: scene.herald.app.db.pool, clock: scene.herald.clock, channel: scene.herald.channel)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for herald in [scene.herald, there, scene.herald, there] {
          group.addTask { try await herald.app.dispatcher.drain() }
        }
        try await group.waitForAll()
      }
      try await scene.drain()
      let messages = scene.herald.channel.messages
      let each = Dictionary(grouping: messages) { $0.userID }
      #expect(each.count == people)
      for (user, got) in each {
        #expect(got.count == 3, "\(user.text)")
        #expect(got.filter { $0.channel == .sms }.count <= 1, "\(user.text)")
      }
      #expect(try await scene.herald.count("SELECT count(*) FROM cap_uses") == messages.count)
      var skipped = 0
      for number in 0..<16 {
        let books = try await scene.accounting("plan-\(number)")
        #expect(books["balanced"] == true)
        skipped += books["steps"]?["hello"]?["skipped"]?["capped"]?.intValue ?? 0
      }
      #expect(skipped == 16 * people - messages.count)
    }
  }
}
