import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Plans that Herald pauses by itself") struct PlanGuardTests {
  private static func guards(_ scene: CampaignScene) -> PlanGuards {
    let db = scene.herald.app.db
    return PlanGuards(db: db, settings: { try await Settings(db: db).current() })
  }

  private static func pause(_ scene: CampaignScene) async throws -> JSONValue? {
    try await scene.herald.call(.get, "/v1/plans/hello", key: scene.admin).json["auto_pause"]
  }

  private static func resume(
    _ scene: CampaignScene, by key: String
  ) async throws -> HeraldInProcess.Answer {
    try await scene.herald.call(.post, "/v1/plans/hello/resume", key: key)
  }

  @Test("the limits are shares: of the approved size, of what ended, of what was sent")
  func rule() throws {
    var rule = PlanGuard()
    #expect(rule.judge(people: .max, approved: 1) == nil)
    #expect(rule.judge(PlanGuard.Seen(failed: 1000)) == nil)
    rule.audienceGrowth = 0.2
    rule.errorRate = 0.1
    rule.unsubscribeRate = 0.05
    #expect(rule.judge(people: 12, approved: 10) == nil)
    #expect(rule.judge(people: 13, approved: 10)?.reason == .audienceGrowth)
    #expect(rule.judge(people: 1, approved: 0)?.reason == .audienceGrowth)
    #expect(rule.judge(PlanGuard.Seen(sent: 79, failed: 20)) == nil)
    #expect(rule.judge(PlanGuard.Seen(sent: 90, failed: 5, unknown: 5)) == nil)
    #expect(rule.judge(PlanGuard.Seen(sent: 89, failed: 5, unknown: 6))?.reason == .errorRate)
    #expect(rule.judge(PlanGuard.Seen(sent: 100, unsubscribed: 5)) == nil)
    #expect(rule.judge(PlanGuard.Seen(sent: 100, unsubscribed: 6))?.reason == .unsubscribeRate)
  }

  @Test("settings read back as they were written; shares outside of reason are refused")
  func settings() throws {
    let faults = Faults()
    let reader = try #require(
      ObjectReader(
        [
          "audience_growth": .double(0.5), "error_rate": .null, "unsubscribe_rate": .double(0.02),
          "within": "30m",
          "min_deliveries": 50,
        ], faults: faults))
    let rule = PlanGuard(reader)
    #expect(faults.isEmpty)
    let again = try #require(ObjectReader(rule.json, faults: faults))
    #expect(PlanGuard(again) == rule)
    let bad = try #require(
      ObjectReader(
        ["error_rate": .double(1.5), "within": "7h", "min_deliveries": 0, "x": 1], faults: faults)
    )
    _ = PlanGuard(bad)
    #expect(
      Set(faults.all.map(\.pointer.description)) == [
        "/error_rate", "/within", "/min_deliveries", "/x",
      ])
  }

  @Test("a crowd that outgrew its approval is not launched until somebody who may approve agrees")
  func growth() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(["auto_pause": ["audience_growth": .double(0.5)]])
      try await scene.people(4)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      for n in 0..<3 {
        let late: JSONValue = [
          "identities": ["external_id": .string("late-\(n)")], "consents": ["push": "granted"],
          "devices": [["platform": "ios", "token": .string("l-\(n)"), "provider": "apns"]],
        ]
        _ = try await scene.herald.call(.post, "/v1/users", late, key: scene.admin)
      }
      #expect(try await scene.approve(submitted).status == 200)
      try await scene.drain()
      #expect(scene.sent == [])
      #expect(try await scene.states() == ["paused"])
      let pause = try #require(try await Self.pause(scene))
      #expect(pause["reason"] == "audience_growth")
      #expect(pause["values"] == ["people": 7, "approved": 4, "limit": 6])
      let findings = await scene.herald.app.checkup.database(now: scene.herald.clock.now)
      let finding = findings.first { $0.check == "plan hello" }
      #expect(finding?.level == .warn)
      #expect(finding?.detail.contains("7 people are there for what was approved for 4") == true)

      #expect(try await Self.resume(scene, by: scene.author).code == "self_approval")
      let other = try await scene.herald.key(.operator, "sun")
      #expect(try await Self.resume(scene, by: other).code == "forbidden")
      #expect(try await scene.states() == ["paused"])
      #expect(try await Self.resume(scene, by: scene.approver).status == 200)
      try await scene.drain()
      #expect(scene.sent.count == 7)
      #expect(try await Self.pause(scene) == .null)
      #expect(
        try await scene.actions() == [
          "plan.put", "plan.submitted", "plan.approved", "plan.auto_paused", "plan.resume",
          "plan.launched", "run.completed",
        ])
    }
  }

  @Test("a crowd that grew into a rule is not launched, resumed by one approver or without a word")
  func growthIntoRule() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings([
        "approvals": [
          "rules": [
            [
              "name": "crowds", "min_audience": 3,
              "stages": [["name": "marketing", "approvers": 2]],
            ]
          ]
        ]
      ])
      try await scene.people(2)
      try await scene.draft(PlanText.plan())
      let small = try await scene.submit()
      for n in 0..<2 {
        let late: JSONValue = [
          "identities": ["external_id": .string("late-\(n)")], "consents": ["push": "granted"],
          "devices": [["platform": "ios", "token": .string("l-\(n)"), "provider": "apns"]],
        ]
        _ = try await scene.herald.call(.post, "/v1/users", late, key: scene.admin)
      }
      #expect(try await scene.approve(small).json["state"] == "approved")
      try await scene.drain()
      #expect(scene.sent == [])
      #expect(try await Self.pause(scene)?["values"] == ["people": 4, "approved": 2])
      let resumed = try await Self.resume(scene, by: scene.approver)
      #expect(resumed.code == "wrong_state")
      #expect(resumed.json["detail"]?.stringValue?.contains("stage 'marketing' with 2") == true)

      try await scene.draft(PlanText.plan())
      let large = try await scene.submit()
      #expect(try await scene.approve(large).json["state"] == "pending")
      let second = try await scene.herald.key(.approver, "sun")
      #expect(try await scene.approve(large, by: second).json["state"] == "approved")
      try await scene.drain()
      #expect(scene.sent.count == 4)
    }
  }

  @Test("a crowd that grew less is launched")
  func smallGrowth() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(["auto_pause": ["audience_growth": .double(0.5)]])
      try await scene.people(4)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      for n in 0..<2 {
        _ = try await scene.herald.call(
          .post, "/v1/users", ["identities": ["external_id": .string("late-\(n)")]],
          key: scene.admin)
      }
      #expect(try await scene.approve(submitted).status == 200)
      try await scene.drain()
      #expect(scene.sent.count == 4)
    }
  }

  /// A push now and one a day later, so that the plan is live in between.
  private static let twice = PlanText.plan(
    steps: PlanText.steps(
      PlanText.step("hello", PlanText.push), #"{"id": "wait", "wait": "1d"}"#,
      PlanText.step("again", PlanText.push)))

  @Test("too many failures pause the plan; after a resumption they do not count again")
  func errors() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(["auto_pause": ["error_rate": .double(0.3), "min_deliveries": 10]])
      try await scene.people(20)
      scene.herald.channel.reply { message in
        // Eight of twenty.
        "1234".contains(message.externalID?.last ?? "x")
          ? .rejected(reason: "no", addressDead: false) : .sent(providerID: nil)
      }
      try await scene.launch(Self.twice)
      try await scene.drain()
      let guards = Self.guards(scene)
      let paused = try await guards.watchRates(now: scene.herald.clock.now)
      #expect(paused.count == 1)
      #expect(try await scene.states() == ["paused"])
      let pause = try #require(try await Self.pause(scene))
      #expect(pause["reason"] == "error_rate")
      #expect(pause["values"]?["failed"] == 8)
      #expect(pause["values"]?["ended"] == 20)
      #expect(try await guards.watchRates(now: scene.herald.clock.now) == [])

      #expect(try await Self.resume(scene, by: scene.author).status == 200)
      #expect(try await scene.states() == ["live"])
      #expect(try await guards.watchRates(now: scene.herald.clock.now) == [])
      scene.herald.channel.reply { _ in .sent(providerID: nil) }
      try await scene.drain(86_400)
      #expect(try await guards.watchRates(now: scene.herald.clock.now) == [])
      #expect(scene.sent.count == 40)
      #expect(try await scene.accounting()["balanced"] == true)
    }
  }

  @Test("too many unsubscriptions pause the plan")
  func unsubscriptions() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings([
        "auto_pause": ["unsubscribe_rate": .double(0.1), "min_deliveries": 10]
      ])
      try await scene.people(20)
      try await scene.launch(Self.twice)
      try await scene.drain()
      let guards = Self.guards(scene)
      func unsubscribe(_ count: Int) async throws {
        let now = scene.herald.clock.now
        try await scene.herald.execute(
          """
          INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel,
            sender, received_at)
          SELECT user_id, id, 'unsubscribed', \(now), run_id, step_id, plan, 'push', sender, \(now)
          FROM deliveries WHERE status = 'sent' ORDER BY id LIMIT \(count)
          ON CONFLICT DO NOTHING
          """)
      }
      try await unsubscribe(2)
      #expect(try await guards.watchRates(now: scene.herald.clock.now) == [])
      try await unsubscribe(3)
      #expect(try await guards.watchRates(now: scene.herald.clock.now).count == 1)
      #expect(try await Self.pause(scene)?["reason"] == "unsubscribe_rate")
      #expect(try await scene.states() == ["paused"])
    }
  }

  @Test("an event plan is paused when more people enter in a week than were approved")
  func stream() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(["auto_pause": ["audience_growth": .double(0.1)]])
      try await scene.people(1)
      let step = PlanText.step("hello", PlanText.push)
      try await scene.launch(
        #"{"name": "N", "trigger": {"event": "order_paid"}, "steps": [\#(step)]}"#)
      try await scene.drain()
      func enter(_ count: Int) async throws {
        let events = (0..<count).map { _ -> JSONValue in
          [
            "user": ["external_id": "u-0"], "name": "order_paid",
            "message_id": .string(UUID().uuidString),
          ]
        }
        let answer = try await scene.herald.call(
          .post, "/v1/events", ["events": .array(events)], key: scene.admin)
        try #require(answer.json["accepted"] == .int(count), "\(answer.json)")
      }
      let guards = Self.guards(scene)
      try await enter(110)
      #expect(try await guards.watchStreams(now: scene.herald.clock.now) == [])
      try await enter(1)
      #expect(try await guards.watchStreams(now: scene.herald.clock.now).count == 1)
      let pause = try await Self.pause(scene)
      #expect(pause?["values"]?["people"] == 111)
      #expect(pause?["values"]?["approved"] == 100)
    }
  }

  @Test("minutes are forgotten when no rate looks back so far")
  func pruning() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      let guards = Self.guards(scene)
      let counted = "SELECT coalesce(sum(n), 0)::bigint FROM attempt_minutes" as SQL
      #expect(try await scene.herald.count(counted) == 3)
      _ = try await guards.prune(now: scene.herald.clock.now.addingTimeInterval(6 * 3600))
      #expect(try await scene.herald.count(counted) == 3)
      _ = try await guards.prune(now: scene.herald.clock.now.addingTimeInterval(8 * 3600))
      #expect(try await scene.herald.count(counted) == 0)
    }
  }
}
