import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Moving people to another version") struct PlanMigrationTests {
  private func plan(wait: String, last: String = "hello", chain: String = PlanText.push) -> String {
    PlanText.plan(
      steps: PlanText.steps(
        #"{"id": "w", "wait": "\#(wait)"}"#, PlanText.step(last, chain)))
  }

  private func migrate(
    _ scene: CampaignScene, _ from: Int, _ to: Int, by key: String? = nil
  ) async throws -> HeraldInProcess.Answer {
    try await scene.herald.call(
      .post, "/v1/plans/hello/migrate", ["from": .int(from), "to": .int(to)],
      key: key ?? scene.author)
  }

  @Test("who is moved counts for the limit of where they come to")
  func limited() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      func plan(_ wait: String) -> String {
        CampaignScene.triggered(
          #"{"event": "seen"}"#, #""limits": {"audience": 3}"#,
          steps: #"{"id": "w", "wait": "\#(wait)"}, "# + PlanText.step("hello", PlanText.push))
      }
      try await scene.launch(plan("30d"))
      for n in 0..<2 { try await scene.event("seen", n) }
      try await scene.launch(plan("40d"))
      #expect(try await migrate(scene, 1, 2).json["moved"] == 2)
      for n in 2..<4 { try await scene.event("seen", n) }
      #expect(try await scene.people() == "targeted 4, active 3, audience_limit 1")
    }
  }

  @Test("those inside stay on their version, until they are moved; then the other one counts")
  func moved() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.launch(plan(wait: "30d"))
      try await scene.drain()
      // The second version has no crowd of its own.
      try await scene.put(
        "segments/crowd",
        ["name": "Crowd", "condition": ["attribute": "n", "gte": 100], "refresh": "live"])
      try await scene.launch(plan(wait: "1h"))
      try await scene.drain(3600)
      #expect(try await scene.visits() == ["w": "waiting 3"])
      let answer = try await migrate(scene, 1, 2)
      #expect(answer.json == ["from": 1, "to": 2, "moved": 3, "stayed": [:], "busy": 0])
      try await scene.drain(0)
      #expect(try await scene.visits() == ["w": "passed 3, time 3"])
      #expect(scene.sent.count == 3)
      #expect(try await scene.people(of: "hello")["finished"] == 3)
      #expect(
        try await scene.herald.count("SELECT count(*) FROM enrolments WHERE plan_version = 2") == 3)
      #expect(try await migrate(scene, 1, 2).json["moved"] == 0)
      let told = try await scene.herald.call(
        .get, "/v1/users/external_id:u-0/explain?plan=hello", key: scene.admin)
      let migrated = told.json["decisions"]?.arrayValue?.first?["values"]?["migrated"]
      #expect(migrated?["from"] == 1 && migrated?["to"] == 2)
    }
  }

  @Test("who is at a step that the other version does not have stays, as does a message under way")
  func stayed() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      scene.herald.channel.reply { _ in .retry(after: nil, reason: "503") }
      try await scene.launch(
        PlanText.plan(
          steps: PlanText.steps(
            #"{"id": "b", "branch": [{"if": {"condition": {"attribute": "n", "eq": 0}}, "#
              + #""then": "old"}], "else": "hello"}"#,
            #"{"id": "old", "wait": "1d", "next": "end"}"#, PlanText.step("hello", PlanText.push))))
      try await scene.drain()
      try await scene.put(
        "segments/crowd",
        ["name": "Crowd", "condition": ["attribute": "n", "gte": 100], "refresh": "live"])
      try await scene.launch(plan(wait: "1h", chain: #"{"channel": "sms", "template": "m"}"#))
      let answer = try await migrate(scene, 1, 2)
      #expect(answer.json["moved"] == 0)
      #expect(answer.json["stayed"] == ["hello": 1, "old": 1])
    }
  }

  @Test("only to a version that was approved, and only by who may write plans")
  func refused() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(plan(wait: "30d"))
      try await scene.draft(plan(wait: "1h"))
      #expect(try await migrate(scene, 1, 2).code == "wrong_state")
      #expect(try await migrate(scene, 1, 1).status == 422)
      #expect(try await migrate(scene, 1, 7).status == 404)
      #expect(try await migrate(scene, 1, 2, by: scene.approver).status == 403)
    }
  }
}
