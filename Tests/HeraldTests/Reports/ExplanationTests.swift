import Conditions
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct ExplanationTests {
  @Test("a retry that meets quiet hours says so, with their end, and no longer once they are over")
  func quiet() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T10:00:00Z")
      try await scene.people(1)
      scene.herald.channel.reply { _ in .retry(after: nil, reason: "busy") }
      try await scene.launch(
        PlanText.plan(
          #""quiet_hours": {"from": "11:00", "until": "12:00", "zone": "UTC", "on_hit": "defer"}"#,
          steps: PlanText.step("hello", PlanText.push)))
      try await scene.drain()
      #expect(try await scene.decisions(0) == ["entered", "hello pending retrying"])
      try scene.at("2026-11-22T11:00:00Z")
      try await scene.drain()
      #expect(try await scene.decisions(0) == ["entered", "hello pending quiet_hours"])
      try scene.at("2026-11-22T12:00:00Z")
      try await scene.drain()
      #expect(try await scene.decisions(0) == ["entered", "hello pending retrying"])
    }
  }

  @Test("a delivered person's way is told from entry to end, with every attempt")
  func way() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first", "second"]))
      let person = ReportScene.people(1)
      try await scene.users(person)
      let run = try await scene.run(of: "hello", people: person)
      try await scene.enrol(person, in: run, "finished", bucket: 4711)
      let sent = try await scene.deliver(person, in: run, step: "first", "sent")
      try await scene.attempt(sent, "retry", "503")
      try await scene.attempt(sent, "sent", number: 2)
      try await scene.deliver(
        person, in: run, step: "second", "skipped", "no_consent", channel: "sms", gate: "consent",
        values: ["channel": "sms", "consent": "unknown"],
        at: ReportScene.now.addingTimeInterval(1))
      let decisions = try await scene.explain(person[0], "hello")
      #expect(decisions.map(\.outcome) == [.entered, .sent, .skipped, .finished])
      #expect(decisions.map(\.step) == [nil, "first", "second", nil])
      #expect(decisions.allSatisfy { $0.run == run })
      #expect(decisions[0].values == ["bucket": 4711, "held_out_below": 500])
      #expect(decisions[1].attempts.map(\.status) == ["retry", "sent"])
      #expect(decisions[2].gate == "consent")
      #expect(decisions[2].code == "no_consent")
      #expect(decisions[2].values == ["channel": "sms", "consent": "unknown"])
    }
  }

  @Test("held out, refused and undecided people are told why")
  func refused() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let people = ReportScene.people(3)
      try await scene.users(people)
      let run = try await scene.run(of: "hello", people: people, state: "entering", lanes: 0)
      try await scene.enrol([people[0]], in: run, "held_out", bucket: 12)
      try await scene.enrol([people[1]], in: run, "skipped", "not_in_audience")
      let heldOut = try await scene.explain(people[0], "hello")
      #expect(heldOut.map(\.outcome) == [.heldOut])
      #expect(heldOut.first?.gate == "holdout")
      #expect(heldOut.first?.values == ["bucket": 12, "held_out_below": 500])
      let refused = try await scene.explain(people[1], "hello")
      #expect(refused.map(\.gate) == ["audience"])
      #expect(refused.map(\.code) == ["not_in_audience"])
      let waiting = try await scene.explain(people[2], "hello")
      #expect(waiting.map(\.outcome) == [.pending])
      #expect(waiting.map(\.code) == ["not_decided_yet"])
    }
  }

  @Test("a pending delivery says what it waits for")
  func pending() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let person = ReportScene.people(1)
      try await scene.users(person)
      let run = try await scene.run(of: "hello", people: person)
      try await scene.enrol(person, in: run, "active")
      try await scene.deliver(person, in: run, step: "first", "pending")
      try await scene.queue(run, dueAt: nil)
      #expect(try await scene.explain(person[0], "hello").last?.code == "parked")
      try await scene.execute("UPDATE queue SET due_at = \(ReportScene.now), tries = 2")
      let retrying = try await scene.explain(person[0], "hello").last
      #expect(retrying?.code == "retrying")
      #expect(retrying?.values == ["due_at": .instant(ReportScene.now), "tries": 2])
    }
  }

  @Test("somebody outside the crowd sees the condition that was approved, and its truth now")
  func absent() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let person = ReportScene.people(1)
      try await scene.users(person, attributes: ["age": 30])
      #expect(try await scene.explain(person[0], "hello").map(\.code) == ["not_launched"])

      let condition = try Condition.stored(["attribute": "age", "gte": 40])
      let manifest = Manifest(
        plan: "hello", version: 1, document: ReportScene.document(steps: ["first"]), templates: [:],
        coupons: [:], senders: [:],
        closure: SegmentClosure(conditions: ["crowd": condition], lists: [:]), userScope: nil)
      try await scene.execute(
        """
        UPDATE plan_versions SET manifest = \(JSONB(manifest.json)), manifest_hash = 'sha256:0'
        """)
      _ = try await scene.run(of: "hello", people: [])
      let decisions = try await scene.explain(person[0], "hello")
      #expect(decisions.map(\.outcome) == [.notTargeted])
      #expect(decisions.first?.code == "not_in_segment")
      #expect(decisions.first?.values?["member_now"] == false)
      #expect(decisions.first?.values?["condition_now"]?["value"] == 30)
    }
  }

  @Test("rows of an id merged away belong to the person still")
  func alias() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let (old, new) = (UUID(), UUID())
      try await scene.users([new])
      try await scene.execute(
        "INSERT INTO user_aliases VALUES (\(old), \(new), \(ReportScene.now))")
      let run = try await scene.run(of: "hello", people: [old])
      try await scene.enrol([old], in: run, "finished")
      try await scene.deliver([old], in: run, step: "first", "sent")
      let decisions = try await scene.explain(old, "hello")
      #expect(decisions.map(\.outcome) == [.entered, .sent, .finished])
    }
  }

  @Test("a user outside the key's scope is not found")
  func scope() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let person = ReportScene.people(1)
      try await scene.users(person, attributes: ["shop": "b"])
      let scope = try Condition.stored(["attribute": "shop", "eq": "a"])
      let caller = Caller(keyID: UUID(), principal: "shop", role: .operator, userScope: scope)
      await #expect { try await scene.explain(person[0], "hello", for: caller) } throws: {
        ($0 as? HeraldError)?.code == .notFound
      }
    }
  }

  @Test("an analyst does not see what a condition saw of a personal attribute")
  func masked() throws {
    let tree: JSONValue = [
      "all": [
        ["attribute": "phone", "eq": "x", "value": "+8613800138000"],
        ["attribute": "age", "value": 41],
      ], "email": "li@example.com",
    ]
    let masked = ExplanationMask.masked(tree)
    #expect(masked["all"]?.arrayValue?[0]["value"] == "+***")
    #expect(masked["all"]?.arrayValue?[1]["value"] == 41)
    #expect(masked["email"] == "l***")
  }
}

extension ReportScene {
  func explain(
    _ user: UUID, _ plan: String, for caller: Caller = admin
  ) async throws -> [Decision] {
    let explanations = Explanations(db: db, segments: Segments(db: db))
    return try await explanations.plan(plan, of: .id(user), for: caller, now: Self.now).decisions
  }
}
