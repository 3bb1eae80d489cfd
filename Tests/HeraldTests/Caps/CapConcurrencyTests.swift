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

  @Test("a worker too late to send gives back no slot of the one that took over")
  func takenOver() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(8)
      try await scene.put("caps/daily", ["scope": "all", "limit": 1, "per": "1d"])
      // Most are put off, and their slots given back.
      try await scene.herald.execute(
        "UPDATE senders SET pace_per_second = 0.01 WHERE channel = 'push'")
      // Whoever takes a slot has lost the row to somebody who took it in the same moment.
      try await scene.herald.execute(
        """
        CREATE FUNCTION taken_over() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          UPDATE queue SET lease = gen_random_uuid() WHERE delivery_id = NEW.delivery_id;
          RETURN NULL;
        END $$
        """)
      try await scene.herald.execute(
        """
        CREATE TRIGGER taken_over AFTER INSERT ON cap_uses
        FOR EACH ROW EXECUTE FUNCTION taken_over()
        """)
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      #expect(scene.herald.channel.messages.isEmpty)
      #expect(try await scene.herald.count("SELECT count(*) FROM cap_uses") == 8)
    }
  }
}
