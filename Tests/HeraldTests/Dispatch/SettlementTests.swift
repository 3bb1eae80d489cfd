import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Settlements") struct SettlementTests {
  /// Claims the one delivery of a launched plan.
  private func claimed(
    _ body: (CampaignScene, QueueEntry, UUID) async throws -> Void
  ) async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      scene.herald.channel.reply { _ in .retry(after: nil, reason: "503") }
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      scene.herald.clock.advance(by: 3600)
      let lane = try await scene.herald.count("SELECT lane FROM queue")
      let lease = Lease(lanes: [lane], seconds: 30)
      let now = scene.herald.clock.now
      let entries = try await scene.herald.app.db.pool.write { tx in
        try QueueStore.claim(lease, limit: 10, now: now, in: tx)
      }
      try await body(scene, try #require(entries.first), lease.id)
    }
  }

  private func settle(_ entry: QueueEntry, _ lease: UUID, _ scene: CampaignScene) async throws
    -> Int
  {
    let now = scene.herald.clock.now
    return try await scene.herald.app.db.pool.write { tx in
      var settlement = Settlement(lease: lease)
      settlement.record(
        .init(
          entry: entry, link: 0, channel: .push, number: 2, sender: "gw-push", status: "sent",
          reason: nil, providerID: nil, startedAt: now))
      settlement.set(
        .init(
          entry: entry, status: .sent, reason: nil, gate: nil, values: nil, channel: .push,
          sender: "gw-push", providerID: nil))
      settlement.advance(entry, to: nil)
      return try settlement.apply(now: now, in: tx)
    }
  }

  @Test("under its lease it is written, once")
  func held() async throws {
    try await claimed { scene, entry, lease in
      #expect(try await settle(entry, lease, scene) == 0)
      #expect(try await settle(entry, lease, scene) == 1)
      let books = try await scene.accounting()
      #expect(books["steps"]?["hello"]?["sent"] == 1)
      #expect(books["people"]?["finished"] == 1)
      #expect(
        books["attempts"]?["push"] == [
          "sent": 1, "failed": 0, "retry": 1, "unknown": 0, "skipped": 0,
        ])
      #expect(books["balanced"] == true)
    }
  }

  @Test("under a lease that another worker has by now, nothing of it is written")
  func fenced() async throws {
    try await claimed { scene, entry, lease in
      try await scene.herald.execute("UPDATE queue SET lease = gen_random_uuid()")
      #expect(try await settle(entry, lease, scene) == 1)
      let books = try await scene.accounting()
      #expect(books["steps"]?["hello"]?["pending"] == 1)
      #expect(books["people"]?["active"] == 1)
      #expect(books["attempts"]?["push"]?["sent"] == 0)
    }
  }

  @Test("a row that took its worker down too often is set aside as failed")
  func poison() async throws {
    try await claimed { scene, entry, _ in
      try await scene.herald.execute(
        """
        UPDATE queue SET claims = \(Preparation.crashes), lease = NULL, leased_until = NULL
        """)
      try await scene.drain()
      #expect(scene.herald.channel.messages.count == 1)
      #expect(try await scene.accounting()["steps"]?["hello"]?["failed"] == 1)
      #expect(try await scene.states() == ["completed"])
    }
  }

  @Test("handed over by a worker that vanished: unknown, unless the receiver tells repeats apart")
  func interrupted() async throws {
    for safe in [true, false] {
      try await claimed { scene, entry, _ in
        if !safe {
          try await scene.herald.execute("UPDATE senders SET config = '{}', version = version + 1")
        }
        try await scene.herald.execute(
          """
          UPDATE queue SET handed_over_at = now(), lease = NULL, leased_until = NULL
          """)
        scene.herald.channel.reply { _ in .sent(providerID: nil) }
        try await scene.drain()
        let step = try await scene.accounting()["steps"]?["hello"]
        #expect(step?[safe ? "sent" : "unknown"] == 1)
        #expect(scene.herald.channel.messages.count == (safe ? 2 : 1))
      }
    }
  }
}
