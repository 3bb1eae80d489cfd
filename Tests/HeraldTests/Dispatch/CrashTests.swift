import Foundation
import HeraldTesting
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Dispatch: what crashes leave")
struct CrashTests {
  @Test("a row that took its worker down three times is set aside, its neighbours go out")
  func poison() async throws {
    try await CrashScene.with(people: 40, safe: true) { scene in
      try await scene.launch()
      var companies: [Int] = []
      var poison: UUID?
      for _ in 1...3 {
        let (_, entries) = try await scene.claim()
        companies.append(entries.count)
        poison = entries.first?.deliveryID
        try await scene.expire()
      }
      // Each crash is looked into in smaller company, so that only one row can be to blame.
      #expect(companies == [40, 16, 1])
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["sent": 39, "failed set_aside": 1])
      #expect(scene.script.calls.count == 39)
      #expect(!scene.script.calls.contains { $0.message.deliveryID == poison })
      #expect(try await scene.isBalanced())
    }
  }

  @Test("rows that wait for their turn are not blamed when their worker vanishes")
  func innocent() async throws {
    try await CrashScene.with(people: 5, safe: true) { scene in
      try await scene.launch()
      for _ in 1...10 {
        let (lease, entries) = try await scene.claim()
        #expect(entries.count == 5)
        let settings = DispatchSettings()
        let preparation = Preparation(
          plans: ApprovedPlans(), senders: scene.app.senders, health: SenderHealth(),
          settings: settings, project: ProjectSettings(), now: scene.script.now,
          lease: lease)
        // A pace keeps the preparation from beginning them.
        try await scene.execute("UPDATE senders SET pace_per_second = 1000")
        let prepared = try await scene.app.db.dispatch { try preparation.run(entries, in: $0) }
        #expect(prepared.count == 5 && !prepared.contains(where: \.isBegun))
        try await scene.expire()
      }
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["sent": 5])
    }
  }

  @Test("of a batch that goes down with its worker, only what was begun is blamed")
  func blame() async throws {
    try await CrashScene.with(people: 5, safe: true) { scene in
      try await scene.launch()
      try await scene.execute("UPDATE senders SET pace_per_second = 1000")
      let (lease, entries) = try await scene.claim()
      let preparation = Preparation(
        plans: ApprovedPlans(), senders: scene.app.senders, health: SenderHealth(),
        settings: DispatchSettings(), project: ProjectSettings(), now: scene.script.now,
        lease: lease)
      let prepared = try await scene.app.db.dispatch { try preparation.run(entries, in: $0) }
      let begun = prepared.prefix(2).map(\.entry.key)
      _ = try await scene.app.db.dispatch { try QueueStore.markHandedOver(begun, lease, in: $0) }
      #expect(
        try await scene.text("SELECT string_agg(claims::text, ' ' ORDER BY claims DESC) FROM queue")
          == "1 1 0 0 0")
      #expect(
        try await scene.text("SELECT count(*)::text FROM queue WHERE handed_over_at IS NOT NULL")
          == "2")
    }
  }

  @Test("three crashes in flight set a row aside as unknown; what went down with it goes out")
  func crashesInFlight() async throws {
    try await CrashScene.with(people: 5, safe: true) { scene in
      try await scene.launch()
      for _ in 1...3 {
        let (lease, entries) = try await scene.claim()
        let preparation = Preparation(
          plans: ApprovedPlans(), senders: scene.app.senders, health: SenderHealth(),
          settings: DispatchSettings(), project: ProjectSettings(),
          now: scene.script.now,
          lease: lease)
        let begun = try await scene.app.db.dispatch { try preparation.run(entries, in: $0) }
        #expect(begun.allSatisfy(\.isBegun) && begun.count == entries.count)
        try await scene.expire()
      }
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["sent": 4, "unknown set_aside": 1])
      #expect(
        try await scene.text(
          "SELECT string_agg(concat_ws(' ', status, reason), ', ' ORDER BY status) FROM attempts")
          == "sent, sent, sent, sent, unknown set_aside")
      #expect(try await scene.isBalanced())
    }
  }

  @Test("a hand-over without a known end is given up where it may not be repeated")
  func once() async throws {
    try await CrashScene.with(people: 3, safe: false) { scene in
      try await scene.launch()
      try await scene.vanishInFlight()
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["unknown interrupted": 3])
      #expect(scene.script.calls.isEmpty)
      #expect(try await scene.isBalanced())
    }
  }

  @Test("where it may be, it is repeated through the sender that had it, whatever weighs more now")
  func sameSender() async throws {
    try await CrashScene.with(people: 20, safe: true) { scene in
      try await scene.sender("small", safe: true, weight: 1)
      try await scene.launch()
      try await scene.vanishInFlight("small")
      try await scene.call(.post, "/v1/senders/small/pause", ["reason": "later"])
      try await scene.app.dispatcher.drain()
      #expect(scene.script.calls.isEmpty)
      try await scene.call(.post, "/v1/senders/small/resume")
      scene.script.advance(by: 6)
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["sent": 20])
      #expect(scene.script.calls.allSatisfy { $0.sender == "small" })
      #expect(scene.script.calls.count == 20)
    }
  }

  @Test("what may have gone out is never called skipped, failed or cancelled")
  func doubt() async throws {
    for change: SQL in [
      "UPDATE consents SET state = 'denied'", "UPDATE runs SET state = 'cancelled'",
      "UPDATE senders SET archived_at = now()", "UPDATE queue SET claims = 3",
    ] {
      try await CrashScene.with(people: 2, safe: true) { scene in
        try await scene.launch()
        try await scene.vanishInFlight()
        try await scene.execute(change)
        try await scene.app.dispatcher.drain()
        let ends = try await scene.ends()
        #expect(ends.keys.allSatisfy { $0.hasPrefix("unknown ") }, "\(change): \(ends)")
        #expect(scene.script.calls.isEmpty)
      }
    }
  }

  @Test("a doubt outlives a pause and retries, to the end")
  func doubtStays() async throws {
    try await CrashScene.with(people: 1, safe: true) { scene in
      try await scene.launch()
      scene.script.reply { _ in .unknown(reason: "no answer") }
      try await scene.app.dispatcher.drain()
      try await scene.call(.post, "/v1/plans/p/pause", ["reason": "wait"])
      scene.script.advance(by: 60)
      try await scene.app.dispatcher.drain()
      try await scene.call(.post, "/v1/plans/p/resume")
      scene.script.reply { _ in .retry(after: nil, reason: "busy") }
      for _ in 1...10 {
        try await scene.app.dispatcher.drain()
        scene.script.advance(by: 4000)
      }
      #expect(try await scene.ends() == ["unknown busy": 1])
      #expect(scene.script.calls.count == RetryPolicy.ceiling)
      #expect(Set(scene.script.calls.map(\.message.idempotencyKey)).count == 1)
      #expect(Set(scene.script.calls.map { $0.message.content.bytes }).count == 1)
    }
  }

  @Test("a receipt that was quicker than the answer says that it was sent")
  func earlyReceipt() async throws {
    try await CrashScene.with(people: 2, safe: false) { scene in
      try await scene.launch()
      let first = Mutex(true)
      scene.script.reply { message in
        guard
          first.withLock({ first in
            defer { first = false }; return first
          })
        else {
          return .unknown(reason: "no answer")
        }
        try await scene.call(
          .post, "/v1/receipts/main", ["delivery_id": .string(message.deliveryID.text)])
        return .unknown(reason: "no answer")
      }
      try await scene.app.dispatcher.drain()
      #expect(try await scene.ends() == ["sent": 1, "unknown no answer": 1])
      #expect(
        try await scene.text("SELECT string_agg(status, ' ' ORDER BY status) FROM attempts")
          == "sent unknown")
      #expect(try await scene.isBalanced())
    }
  }

  @Test("what settles after another worker took over is refused")
  func fencing() async throws {
    try await CrashScene.with(people: 3, safe: false) { scene in
      try await scene.launch()
      scene.script.reply { _ in
        try await scene.execute(
          "UPDATE queue SET lease = gen_random_uuid(), leased_until = now() + interval '1 h'")
        return .sent(providerID: nil)
      }
      _ = try await scene.app.dispatcher.step()
      #expect(try await scene.ends() == ["pending": 3])
      #expect(try await scene.text("SELECT count(*)::text FROM queue") == "3")
    }
  }

  @Test(
    "a worker that stands still in a transaction is cut off, so that a stop need not wait for it")
  func standstill() async throws {
    try await CrashScene.with(people: 1, safe: true) { scene in
      let failure = await #expect(throws: PostgresError.self) {
        try await scene.app.db.dispatch { tx in
          let limit = try tx.one("SHOW idle_in_transaction_session_timeout")
          #expect(try limit?.get(0, as: String.self) == "5s")
          try tx.execute("SET LOCAL idle_in_transaction_session_timeout = '20ms'")
          _ = try StopStore.lock(in: tx)
          usleep(300_000)
          _ = try StopStore.lock(in: tx)
        }
      }
      #expect(failure?.isUnavailable == true)
    }
  }

  @Test("the business clock moves no lease")
  func clockJump() async throws {
    try await CrashScene.with(people: 3, safe: true) { scene in
      try await scene.launch()
      let (_, entries) = try await scene.claim()
      #expect(entries.count == 3)
      for jump: TimeInterval in [3600, 86_400, -7200] {
        scene.script.advance(by: jump)
        let now = scene.script.now
        #expect(
          try await scene.app.db.read { try QueueStore.dueLanes(counting: 1, now: now, in: $0) }
            .isEmpty)
        #expect(try await scene.claim().entries.isEmpty)
      }
    }
  }

  @Test("a dispatcher that is ended settles what is out and returns the rest")
  func ending() async throws {
    try await CrashScene.with(people: 30, safe: false) { scene in
      try await scene.execute("UPDATE senders SET concurrency = 4")
      try await scene.launch()
      let isOut = Mutex(0)
      let mayAnswer = Mutex(false)
      scene.script.reply { _ in
        isOut.withLock { $0 += 1 }
        while !mayAnswer.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(2)) }
        return .sent(providerID: nil)
      }
      let work = Task { await scene.app.dispatcher.run(wake: scene.app.wake) }
      while isOut.withLock({ $0 }) < 4 { try await Task.sleep(for: .milliseconds(2)) }
      work.cancel()
      try await Task.sleep(for: .milliseconds(50))
      mayAnswer.withLock { $0 = true }
      await work.value
      #expect(try await scene.ends() == ["sent": 4, "pending": 26])
      #expect(
        try await scene.text(
          "SELECT count(*)::text FROM queue WHERE lease IS NULL AND handed_over_at IS NULL") == "26"
      )
    }
  }
}
