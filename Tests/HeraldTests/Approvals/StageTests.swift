import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

extension CampaignScene {
  /// Changes the settings: the admin proposes, the approver confirms.
  func settings(_ document: JSONValue) async throws {
    let answer = try await herald.call(.put, "/v1/settings", document, key: admin)
    guard answer.status == 202 else {
      return try #require(answer.status == 200, "\(answer.json)") as Void
    }
    let id = try #require(answer.json["proposal"]?.stringValue)
    let confirmed = try await herald.call(
      .post, "/v1/settings/proposals/\(id)/confirm", key: approver)
    try #require(confirmed.status == 200, "\(confirmed.json)")
  }

  func approval(_ submission: HeraldInProcess.Answer) async throws -> JSONValue {
    let id = submission.json["approval"]?.stringValue ?? "none"
    return try await herald.call(.get, "/v1/approvals/\(id)", key: approver).json
  }

  func actions() async throws -> [String] {
    try await herald.app.db.read {
      try $0.query(
        "SELECT action FROM audit_entries WHERE subject_kind = 'plan' AND subject = 'hello' ORDER BY id"
      ).map { try $0.get(0, as: String.self) }
    }
  }
}

@Suite("Approval by several people") struct StageTests {
  private static let two: JSONValue = [
    "approvals": [
      "rules": [["name": "all", "stages": [["name": "marketing", "approvers": 2]]]]
    ]
  ]
  private static let staged: JSONValue = [
    "approvals": [
      "rules": [
        [
          "name": "crowds", "min_audience": 3,
          "stages": [["name": "marketing"], ["name": "finance", "principals": ["qian", "sun"]]],
        ]
      ]
    ]
  ]

  @Test("whom a later stage cannot do without agrees there, not before")
  func neededLater() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings([
        "approvals": [
          "rules": [
            [
              "name": "all",
              "stages": [["name": "marketing"], ["name": "finance", "principals": ["qian"]]],
            ]
          ]
        ]
      ])
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let qian = try await scene.herald.key(.approver, "qian")
      let early = try await scene.approve(submitted, by: qian)
      #expect(early.code == "wrong_state")
      #expect(early.json["detail"]?.stringValue?.contains("stage 'finance'") == true)
      #expect(try await scene.approve(submitted).json["state"] == "pending")
      #expect(try await scene.approve(submitted, by: qian).json["state"] == "approved")
    }
  }

  @Test("a plan is live with the last agreement that its rule asks for, not before")
  func two() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(Self.two)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let first = try await scene.approve(submitted)
      #expect(first.status == 200)
      #expect(first.json["state"] == "pending")
      #expect(first.json["stages"]?.arrayValue?.first?["agreed"] == ["wang.fang"])
      #expect(try await scene.states() == ["pending_approval"])
      let again = try await scene.approve(
        submitted, by: try await scene.herald.key(.admin, "wang.fang"))
      #expect(again.code == "wrong_state")
      let second = try await scene.approve(
        submitted, by: try await scene.herald.key(.approver, "sun"))
      #expect(second.json["state"] == "approved")
      #expect(second.json["demand"]?["rules"]?.arrayValue?.first?["rule"] == "all")
      #expect(try await scene.states() == ["approved"])
      #expect(
        try await scene.actions() == [
          "plan.put", "plan.submitted", "plan.approval_given", "plan.approved",
        ])
    }
  }

  @Test("many at once make exactly as many agreements as are asked for")
  func race() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(Self.two)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let keys = try await (0..<8).asyncMap { try await scene.herald.key(.approver, "a\($0 / 2)") }
      let states = try await withThrowingTaskGroup(of: String.self) { group in
        for key in keys {
          group.addTask {
            try await scene.approve(submitted, by: key).json["state"]?.stringValue ?? "refused"
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(states.count { $0 == "pending" } == 1)
      #expect(states.count { $0 == "approved" } == 1)
      let decisions = try await scene.approval(submitted)["decisions"]?.arrayValue ?? []
      #expect(Set(decisions.compactMap { $0["by"]?.stringValue }).count == 2)
    }
  }

  @Test("two agreements need two people: no key that the other one made, in either order")
  func minted() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(Self.two)
      let boss = try await scene.herald.key(.admin, "qian")
      let answer = try await scene.herald.call(
        .post, "/v1/keys", ["name": "n", "role": "approver", "principal": "puppet"], key: boss)
      let puppet = try #require(answer.json["key"]?.stringValue)
      for pair in [[boss, puppet], [puppet, boss]] {
        try await scene.draft(PlanText.plan(#""priority": 51"#))
        try await scene.draft(PlanText.plan())
        let submitted = try await scene.submit()
        #expect(try await scene.approve(submitted, by: pair[0]).status == 200)
        let second = try await scene.approve(submitted, by: pair[1])
        #expect(second.status == 403)
        #expect(second.code == "not_independent")
        #expect(try await scene.approve(submitted).json["state"] == "approved")
      }
    }
  }

  @Test("nobody who wrote or submitted agrees in any stage, nor with keys they made")
  func barred() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.settings(Self.staged)
      try await scene.draft(PlanText.plan())
      let minted = try await scene.herald.call(
        .post, "/v1/keys", ["name": "n", "role": "admin", "principal": "sun"], key: scene.admin)
      let puppet = try #require(minted.json["key"]?.stringValue)
      try await scene.draft(PlanText.plan(#""priority": 60"#), by: scene.admin)
      let submitted = try await scene.submit()
      #expect(try await scene.approve(submitted).status == 200)
      for key in [puppet, scene.admin, try await scene.herald.key(.approver, "li.lei")] {
        #expect(try await scene.approve(submitted, by: key).code == "self_approval")
      }
    }
  }

  @Test("stages come one after the other, each with its own people")
  func stages() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.settings(Self.staged)
      try await scene.draft(PlanText.plan())
      #expect(try await scene.approve(scene.submit()).json["state"] == "approved")
      try await scene.drain()

      _ = try await scene.herald.call(
        .post, "/v1/users", ["identities": ["external_id": "late"]], key: scene.admin)
      try await scene.draft(PlanText.plan(#""priority": 60"#))
      let submitted = try await scene.submit()
      let qian = try await scene.herald.key(.approver, "qian")
      let sun = try await scene.herald.key(.approver, "sun")
      #expect(try await scene.approve(submitted, by: qian).json["state"] == "pending")
      let stages = try await scene.approval(submitted)["stages"]?.arrayValue ?? []
      #expect(stages.map { $0["state"] } == ["agreed", "open"])
      let outsider = try await scene.approve(submitted)
      #expect(outsider.code == "forbidden")
      #expect(outsider.json["detail"]?.stringValue?.contains("qian, sun") == true)
      #expect(try await scene.approve(submitted, by: sun).json["state"] == "approved")
    }
  }

  @Test("anybody who may decide can send it back, at any stage")
  func rejected() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(Self.two)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      #expect(try await scene.approve(submitted).json["state"] == "pending")
      let changedMind = try await scene.decide("reject", submitted, by: scene.approver)
      #expect(changedMind.json["state"] == "rejected")
      #expect(try await scene.states() == ["rejected"])
    }
  }

  @Test("an edit after the first agreement takes the submission back")
  func edited() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(Self.two)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      #expect(try await scene.approve(submitted).status == 200)
      try await scene.draft(PlanText.plan(#""priority": 60"#))
      #expect(
        try await scene.approve(submitted, by: try await scene.herald.key(.approver, "sun")).code
          == "wrong_state")
      let second = try await scene.submit()
      #expect(try await scene.approval(second)["decisions"] == [])
    }
  }

  @Test("a coupon's cost counts what may be issued at most")
  func cost() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      try await scene.coupon("c", codes: 100)
      try await scene.draft(PlanText.plan(steps: PlanText.step("gift", PlanText.coupon)))
      let demand = try await scene.approval(scene.submit())["demand"]
      #expect(demand?["people"] == 4)
      let unit = CouponFixture.document(count: 1, pattern: "X-####")["discount"]?["value"]
      let amount = try #require(unit?["amount"]?.stringValue)
      let cost = try #require(demand?["coupon_cost"]?.arrayValue?.first)
      let each = try #require(Money(amount: amount, currency: "CNY"))
      #expect(cost == Money(units: each.units * 4, currency: "CNY")?.json)
    }
  }

  @Test("the rules change with a second person only")
  func rules() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings(Self.two)
      let loosened = try await scene.herald.call(.put, "/v1/settings", [:], key: scene.admin)
      #expect(loosened.status == 202)
      try await scene.draft(PlanText.plan())
      #expect(try await scene.approve(scene.submit()).json["state"] == "pending")
    }
  }
}

@Suite("What becomes of a submission that waits") struct WaitingTests {
  @Test("reminders are counted and audited; in the end it expires and is a draft again")
  func expiry() async throws {
    try await CampaignScene.with { scene in
      try await scene.settings([
        "approvals": ["expire_after": "3d", "remind_after": "1d"]
      ])
      let approvals = Approvals(
        db: scene.herald.app.db, settings: { try await Settings(db: scene.herald.app.db).current() }
      )
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      #expect(try await approvals.follow(now: scene.herald.clock.now) == [])
      for day in 1...2 {
        scene.herald.clock.advance(by: 86_400)
        let reminders = try await approvals.follow(now: scene.herald.clock.now)
        #expect(reminders.count == 1)
        #expect(reminders.first?.contains("reminder \(day)") == true)
        #expect(try await approvals.follow(now: scene.herald.clock.now) == [])
      }
      scene.herald.clock.advance(by: 86_400)
      let late = try await scene.approve(submitted)
      #expect(late.code == "wrong_state")
      #expect(late.json["detail"]?.stringValue?.contains("expired") == true)
      _ = try await approvals.follow(now: scene.herald.clock.now)
      let approval = try await scene.approval(submitted)
      #expect(approval["state"] == "expired")
      #expect(approval["reminders"] == 2)
      #expect(try await scene.states() == ["draft"])
      #expect(
        try await scene.actions().suffix(3) == [
          "plan.approval_reminded", "plan.approval_reminded", "plan.approval_expired",
        ])
      #expect(try await scene.approve(scene.submit()).status == 200)
    }
  }

  @Test("people talk on a submission, in order, and what they say is audited")
  func comments() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let id = try #require(submitted.json["approval"]?.stringValue)
      for (key, text) in [(scene.approver, "Why today?"), (scene.author, "The sale.")] {
        let answer = try await scene.herald.call(
          .post, "/v1/approvals/\(id)/comments", ["text": .string(text)], key: key)
        #expect(answer.status == 201)
      }
      let comments = try await scene.approval(submitted)["comments"]?.arrayValue ?? []
      #expect(comments.map { $0["by"] } == ["wang.fang", "li.lei"])
      #expect(comments.map { $0["text"] } == ["Why today?", "The sale."])
      let analyst = try await scene.herald.key(.analyst, "zhou")
      let refused = try await scene.herald.call(
        .post, "/v1/approvals/\(id)/comments", ["text": "x"], key: analyst)
      #expect(refused.code == "forbidden")
      #expect(try await scene.actions().suffix(2) == ["plan.commented", "plan.commented"])
    }
  }
}
