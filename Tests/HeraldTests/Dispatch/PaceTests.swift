import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Pace") struct PaceTests {
  @Test("a bucket gives what it has, over all who ask, and says how long the next takes")
  func bucket() async throws {
    try await HeraldInProcess.with { herald in
      func take(_ wanted: Int) async throws -> PaceStore.Grant {
        try await herald.app.db.pool.write { tx in
          try PaceStore.take(scope: "t", rate: 0.005, burst: 2000, wanted: wanted, in: tx)
        }
      }
      #expect(try await take(4).count == 4)
      #expect(try await take(100).count == 6)
      let empty = try await take(1)
      #expect(empty.count == 0 && empty.wait > 100 && empty.wait <= 200)
    }
  }

  @Test("a slow plan does not hold its worker: what cannot go soon comes back when its turn is")
  func slow() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5)
      try await scene.launch(PlanText.plan(#""limits": {"per_minute": 1}"#))
      try await scene.drain()
      #expect(scene.herald.channel.messages.count >= 1)
      #expect(scene.herald.channel.messages.count < 5)
      let soon: SQL = """
        SELECT count(*) FROM queue WHERE due_at > \(scene.herald.clock.now.addingTimeInterval(2))
          AND leased_until IS NULL
        """
      #expect(
        try await scene.herald.count(soon) == 5 - scene.herald.channel.messages.count)
    }
  }

  @Test("a plan is slowed down while it runs, never sped up beyond what was approved")
  func live() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      func put(_ rate: JSONValue) async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(
          .put, "/v1/plans/hello/pace", ["per_second": rate], key: scene.author)
      }
      #expect(try await put(1).status == 404)
      try await scene.draft(PlanText.plan(#""limits": {"per_minute": 120}"#))
      #expect(try await put(3).status == 422)
      #expect(try await put(0).status == 422)
      let slow = try await put(.double(0.01))
      #expect(slow.json["effective_per_second"]?.doubleValue == 0.01)
      #expect(try await scene.approve(try await scene.submit()).status == 200)
      try await scene.drain()
      // Its lane's first token each; the bucket is the plan's, so that is one.
      #expect(scene.herald.channel.messages.count == 1)
      let normal = try await put(.null)
      #expect(normal.status == 200 && normal.json["effective_per_second"]?.doubleValue == 2)
      #expect(
        try await scene.herald.count(
          "SELECT count(*) FROM audit_entries WHERE action = 'plan.pace'") == 2)
    }
  }

  @Test("what a provider takes in a day is shared by all, and the next day begins anew")
  func quota() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(6)
      try await scene.put(
        "senders/gw-push",
        [
          "channel": "push", "adapter": "record", "config": ["idempotent": true],
          "pace": ["per_day": 4],
        ])
      try await scene.launch(PlanText.plan())
      let there = try HeraldInProcess(
        pool: scene.herald.app.db.pool, clock: scene.herald.clock, channel: scene.herald.channel)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for herald in [scene.herald, there] {
          group.addTask { try await herald.app.dispatcher.drain() }
        }
        try await group.waitForAll()
      }
      #expect(scene.herald.channel.messages.count == 4)
      let reason: SQL = """
        SELECT count(*) FROM deliveries WHERE status = 'pending' AND reason = 'quota_spent'
          AND gate = 'pace'
        """
      #expect(try await scene.herald.count(reason) == 2)
      #expect(try await scene.accounting()["balanced"] == true)
      try await scene.drain(86_400)
      #expect(scene.herald.channel.messages.count == 6)
    }
  }

  @Test("another sender of the channel carries on when one's day is used up")
  func fallback() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5)
      for (key, quota) in [("gw-push", 2), ("gw-more", 100)] {
        try await scene.put(
          "senders/\(key)",
          [
            "channel": "push", "adapter": "record", "config": ["idempotent": true],
            "weight": .int(quota == 2 ? 1000 : 0), "pace": ["per_day": .int(quota)],
          ])
      }
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      #expect(scene.herald.channel.messages.count == 5)
      #expect(
        try await scene.herald.count(
          "SELECT used FROM sender_days WHERE sender = 'gw-push'") == 2)
    }
  }
}
