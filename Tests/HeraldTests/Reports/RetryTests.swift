import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct RetryTests {
  /// A completed run of two people: one sent, one failed after two tries.
  private func fill(
    _ scene: ReportScene, steps: [String] = ["first"], state: String = "completed"
  ) async throws -> (run: UUID, people: [UUID], failed: UUID) {
    try await scene.plan("hello", ReportScene.document(steps: steps), state: "completed")
    let people = ReportScene.people(2)
    let run = try await scene.run(of: "hello", people: people, state: state)
    try await scene.enrol(people, in: run, "finished")
    let sent = try await scene.deliver([people[0]], in: run, step: "first", "sent")
    try await scene.attempt(sent, "sent")
    let failed = try await scene.deliver([people[1]], in: run, step: "first", "failed", "gone")
    try await scene.attempt(failed, "retry", "503")
    try await scene.attempt(failed, "failed", "gone", number: 2)
    return (run, people, failed[0])
  }

  @Test("what failed is pending and queued again, its person active, its run running")
  func retries() async throws {
    try await ReportScene.with { scene in
      let (run, people, failed) = try await fill(scene)
      let outcome = try await scene.retry()
      #expect(outcome.retried == 1)
      #expect(outcome.notRetried == [:])
      let accounting = try await scene.accounting("hello")
      #expect(accounting.imbalances == [])
      #expect(accounting.runs.first?.run.state == .running)
      #expect(accounting.total.people.active == 1)
      #expect(accounting.total.steps["first"]?.pending == 1)
      #expect(accounting.total.steps["first"]?.failed == 0)
      let queued = try await scene.db.read { db in
        try QueueStore.dueLanes(counting: 9, now: ReportScene.now, in: db)
      }
      #expect(queued.map(\.rows) == [1])
      let entry = try await scene.db.pool.write { tx in
        try QueueStore.claim(
          Lease(lanes: queued.map(\.lane), seconds: 30), limit: 5, now: ReportScene.now, in: tx)
      }
      #expect(entry.map(\.deliveryID) == [failed])
      #expect(entry.map(\.userID) == [people[1]])
      #expect(entry.map(\.runID) == [run])
      #expect(entry.map(\.link) == [0])
    }
  }

  @Test("earlier attempts stay in order, and the next ones begin at 1, round after round")
  func attempts() async throws {
    try await ReportScene.with { scene in
      let (_, _, failed) = try await fill(scene)
      for round in 1...3 {
        #expect(try await scene.retry().retried == 1)
        try await scene.attempt([failed], "failed", "round \(round)")
        try await scene.execute(
          """
          UPDATE deliveries SET status = 'failed', reason = 'gone' WHERE id = \(failed)
          """)
        try await scene.execute("DELETE FROM queue")
      }
      let attempts = try await scene.db.read { db in
        try db.query("SELECT status, try FROM attempts WHERE delivery_id = \(failed) ORDER BY try")
          .map { (try $0.get("status", as: String.self), try $0.get("try", as: Int.self)) }
      }
      #expect(attempts.count == 5)
      #expect(attempts.last?.1 == 1)
      #expect(attempts.filter { $0.0 == "retry" }.count == 1)
    }
  }

  @Test("ten retries at once take each delivery up once")
  func concurrent() async throws {
    try await ReportScene.with { scene in
      _ = try await fill(scene)
      let retried = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<10 { group.addTask { try await scene.retry().retried } }
        return try await group.reduce(0, +)
      }
      #expect(retried == 1)
      let audited = try await scene.db.read {
        try $0.query("SELECT 1 FROM audit_entries WHERE action = 'plan.retried'").count
      }
      #expect(audited == 1)
    }
  }

  @Test("a cancelled run, a person who left and one who went on are left alone, and counted")
  func left() async throws {
    try await ReportScene.with { scene in
      let (run, people, _) = try await fill(scene, steps: ["first", "second"])
      try await scene.deliver([people[1]], in: run, step: "second", "sent")
      #expect(try await scene.retry().notRetried == ["went_on": 1])
      try await scene.execute("DELETE FROM deliveries WHERE step_id = 'second'")
      try await scene.execute(
        "UPDATE enrolments SET state = 'exited', reason = 'cancelled' WHERE user_id = \(people[1])")
      #expect(try await scene.retry().notRetried == ["exited": 1])
      try await scene.execute("UPDATE runs SET state = 'cancelled'")
      let outcome = try await scene.retry()
      #expect(outcome.retried == 0)
      #expect(outcome.notRetried == ["cancelled": 1])
    }
  }

  @Test("one step alone; a step no version has is refused")
  func step() async throws {
    try await ReportScene.with { scene in
      _ = try await fill(scene, steps: ["first", "second"])
      #expect(try await scene.retry(step: "second").retried == 0)
      #expect(try await scene.retry(step: "first").retried == 1)
      await #expect { try await scene.retry(step: "third") } throws: {
        ($0 as? HeraldError)?.pointer == "/step"
      }
    }
  }

  @Test("deliveries are listed newest first by page, filtered, with their attempts")
  func list() async throws {
    try await ReportScene.with { scene in
      let (run, people, failed) = try await fill(scene)
      try await scene.deliver(
        people, in: run, step: "second", "skipped", "expired",
        at: ReportScene.now.addingTimeInterval(60))
      var ids: [UUID] = []
      var after: Cursor?
      repeat {
        let page = try await scene.deliveries(DeliveryFilter(), limit: 3, after: after)
        ids += page.items.map(\.id)
        after = page.next
      } while after != nil
      #expect(Set(ids).count == 4)
      #expect(ids.count == 4)
      let found = try await scene.deliveries(DeliveryFilter(status: "failed", step: "first")).items
      #expect(found.map(\.id) == [failed])
      #expect(found.first?.attempts.map(\.status).sorted() == ["failed", "retry"])
      #expect(try await scene.deliveries(DeliveryFilter(reason: "expired")).items.count == 2)
      #expect(try await scene.deliveries(DeliveryFilter(run: UUID())).items.isEmpty)
      #expect(try await scene.deliveries(DeliveryFilter(channel: "sms")).items.isEmpty)
    }
  }
}

extension ReportScene {
  func retry(step: String? = nil) async throws -> RetryOutcome {
    try await Reports(db: db).retry("hello", step: step, by: Self.admin, now: Self.now)
  }

  func deliveries(
    _ filter: DeliveryFilter, limit: Int = 50, after: Cursor? = nil
  ) async throws -> Page<DeliveryView> {
    try await Reports(db: db).deliveries(
      "hello", filter, PageRequest(limit: limit, after: after), for: Self.admin, now: Self.now)
  }
}
