import Conditions
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct AccountingTests {
  @Test("every state of people, deliveries and attempts is counted in its place")
  func counts() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first", "second"]))
      let people = ReportScene.people(12)
      let run = try await scene.run(of: "hello", people: people)
      try await scene.enrol(Array(people[0..<2]), in: run, "held_out", bucket: 12)
      try await scene.enrol([people[2]], in: run, "skipped", "not_in_audience")
      try await scene.enrol(Array(people[3..<7]), in: run, "active")
      try await scene.enrol(Array(people[7..<11]), in: run, "finished")
      try await scene.enrol([people[11]], in: run, "exited", "cancelled")
      let sent = try await scene.deliver(Array(people[3..<8]), in: run, step: "first", "sent")
      try await scene.attempt(sent, "sent", number: 2)
      try await scene.attempt([sent[0]], "retry", "503")
      let failed = try await scene.deliver(
        [people[8]], in: run, step: "first", "failed", "bad_token")
      try await scene.attempt(failed, "failed", "bad_token")
      try await scene.deliver([people[9]], in: run, step: "first", "skipped", "no_consent")
      try await scene.deliver([people[10]], in: run, step: "first", "unknown", "timeout")
      try await scene.deliver([people[11]], in: run, step: "first", "skipped", "cancelled")
      try await scene.deliver(Array(people[3..<7]), in: run, step: "second", "pending")

      let accounting = try await scene.accounting("hello")
      #expect(accounting.imbalances == [])
      let json = accounting.json
      #expect(
        json["people"]
          == [
            "targeted": 12, "held_out": 2, "skipped_at_entry": ["not_in_audience": 1], "active": 4,
            "finished": 4, "exited": ["cancelled": 1],
          ])
      #expect(
        json["steps"]
          == [
            "first": [
              "entered": 9, "sent": 5, "failed": 1, "skipped": ["cancelled": 1, "no_consent": 1],
              "pending": 0, "unknown": 1,
            ],
            "second": [
              "entered": 4, "sent": 0, "failed": 0, "skipped": [:], "pending": 4, "unknown": 0,
            ],
          ])
      #expect(
        json["attempts"]
          == ["push": ["sent": 5, "failed": 1, "retry": 1, "unknown": 0, "skipped": 0]])
      #expect(json["balanced"] == true)
      #expect(json["runs"]?.arrayValue?.count == 1)
      #expect(json["runs"]?.arrayValue?.first?["people"] == json["people"])
    }
  }

  @Test("people who are not decided on yet are active, in lanes still open only")
  func undecided() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let people = ReportScene.people(40)
      let run = try await scene.run(of: "hello", people: people, state: "entering", lanes: 0)
      try await scene.enrol(Array(people[0..<10]), in: run, "active")
      try await scene.deliver(Array(people[0..<10]), in: run, step: "first", "pending")
      let accounting = try await scene.accounting("hello")
      #expect(accounting.total.people.active == 40)
      #expect(accounting.imbalances == [])

      try await scene.execute("UPDATE runs SET state = 'cancelled' WHERE id = \(run)")
      let cancelled = try await scene.accounting("hello")
      #expect(cancelled.total.people.skipped == ["cancelled": 30])
      #expect(cancelled.total.people.active == 10)
      #expect(cancelled.imbalances == [])
    }
  }

  @Test("a lost row unbalances the books", arguments: ["enrolments", "deliveries", "attempts"])
  func lost(table: String) async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let people = ReportScene.people(5)
      let run = try await scene.run(of: "hello", people: people, state: "completed")
      try await scene.enrol(people, in: run, "finished")
      let sent = try await scene.deliver(people, in: run, step: "first", "sent")
      try await scene.attempt(sent, "sent")
      let whole = try await scene.accounting("hello")
      #expect(whole.imbalances == [])
      try await scene.execute("DELETE FROM \(identifier: table) WHERE user_id = \(people[0])")
      let broken = try await scene.accounting("hello")
      #expect(broken.imbalances.count >= 1)
      #expect(broken.json["balanced"] == false)
    }
  }

  @Test("a completed run with somebody active or pending does not balance")
  func completedTooEarly() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let people = ReportScene.people(1)
      let run = try await scene.run(of: "hello", people: people, state: "completed")
      try await scene.enrol(people, in: run, "active")
      try await scene.deliver(people, in: run, step: "first", "pending")
      let accounting = try await scene.accounting("hello")
      #expect(accounting.imbalances.count == 1)
    }
  }

  @Test("runs are summed, and steps of older documents stay")
  func runs() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      for day in ["2026-01-01", "2026-01-02"] {
        let people = ReportScene.people(3)
        let run = try await scene.run(of: "hello", people: people, occurrence: day)
        try await scene.enrol(people, in: run, "finished")
        let sent = try await scene.deliver(people, in: run, step: "first", "sent")
        try await scene.attempt(sent, "sent")
        try await scene.deliver([people[0]], in: run, step: "gone", "skipped", "expired")
      }
      let accounting = try await scene.accounting("hello")
      #expect(accounting.runs.count == 2)
      #expect(accounting.total.people.targeted == 6)
      #expect(accounting.total.steps["first"]?.sent == 6)
      #expect(accounting.total.steps["gone"]?.skipped == ["expired": 2])
      #expect(accounting.json["steps"]?.objectValue?.keys == ["first", "gone"])
      #expect(accounting.imbalances == [])
    }
  }

  @Test("a plan without a run balances with nothing in it; an unknown one is not found")
  func empty() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let accounting = try await scene.accounting("hello")
      #expect(accounting.json["balanced"] == true)
      #expect(accounting.json["runs"] == [])
      await #expect { try await scene.accounting("other") } throws: {
        ($0 as? HeraldError)?.code == .notFound
      }
    }
  }

  @Test("a key with a user scope counts its own people only")
  func scoped() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let mine = ReportScene.people(2)
      let others = ReportScene.people(3)
      try await scene.users(mine, attributes: ["shop": "a"])
      try await scene.users(others, attributes: ["shop": "b"])
      let run = try await scene.run(of: "hello", people: mine + others)
      try await scene.enrol(mine + others, in: run, "finished")
      let sent = try await scene.deliver(mine + others, in: run, step: "first", "sent")
      try await scene.attempt(sent, "sent")
      let scope = try Condition.stored(["attribute": "shop", "eq": "a"])
      let caller = Caller(keyID: UUID(), principal: "shop", role: .operator, userScope: scope)
      let accounting = try await scene.accounting("hello", for: caller)
      #expect(accounting.total.people.targeted == 2)
      #expect(accounting.total.sent == 2)
      #expect(accounting.imbalances == [])
    }
  }
}

extension ReportScene {
  func accounting(_ plan: String, for caller: Caller = admin) async throws -> Accounting {
    try await Reports(db: db).accounting(plan, for: caller, now: Self.now)
  }
}
