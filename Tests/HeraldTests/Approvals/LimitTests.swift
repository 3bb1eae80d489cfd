import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("What is not launched") struct LaunchLimitTests {
  private static func gift(_ more: String = "") -> String {
    PlanText.plan(more, steps: PlanText.step("gift", PlanText.coupon))
  }

  @Test("a coupon for everybody with too few codes is refused when it is submitted")
  func submitStock() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5)
      try await scene.coupon("c", codes: 4)
      try await scene.draft(Self.gift())
      let refused = try await scene.submit()
      #expect(refused.status == 409)
      #expect(refused.code == "insufficient_stock")
      #expect(try await scene.states() == ["draft"])
      try await scene.draft(Self.gift(#""limits": {"allow_partial_stock": true}"#))
      #expect(try await scene.approve(scene.submit()).status == 200)
      try await scene.drain()
      let gift = try await scene.accounting()["steps"]?["gift"]
      #expect(gift?["sent"] == 4)
      #expect(gift?["skipped"] == ["out_of_stock": 1])
    }
  }

  @Test("too few codes by the time of the launch: paused with the reason, and launched when mended")
  func launchStock() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      try await scene.coupon("c", codes: 4)
      try await scene.draft(Self.gift())
      let submitted = try await scene.submit()
      let late = try await scene.herald.call(
        .post, "/v1/users", ["identities": ["external_id": "late"]], key: scene.admin)
      #expect(late.status == 201)
      #expect(try await scene.approve(submitted).status == 200)
      try await scene.drain()
      #expect(try await scene.states() == ["paused"])
      #expect(try await scene.herald.count("SELECT count(*) FROM runs") == 0)
      #expect(try await scene.herald.count("SELECT count(*) FROM coupon_issues") == 0)
      let plan = try await scene.herald.call(.get, "/v1/plans/hello", key: scene.admin)
      let reason = plan.json["versions"]?.arrayValue?.first?["state_reason"]?.stringValue
      #expect(reason?.hasPrefix("insufficient_stock: 5 codes of 'c'") == true)

      try await scene.put("coupons/c", CouponFixture.document(count: 5, pattern: "C-########"))
      let resumed = try await scene.herald.call(
        .post, "/v1/plans/hello/resume", key: scene.author)
      #expect(resumed.status == 200)
      try await scene.drain()
      #expect(try await scene.accounting()["steps"]?["gift"]?["sent"] == 5)
    }
  }

  @Test("codes are wanted for those who enter, not for the held out and those outside the audience")
  func entrants() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(40)
      let more = #""holdout": 0.5, "audience": {"attribute": "n", "lt": 30}"#
      try await scene.coupon("c", codes: 40)
      try await scene.draft(Self.gift(more))
      let dry = try await scene.herald.call(.post, "/v1/plans/hello/dry-run", key: scene.author)
      let needed = try #require(dry.json["coupons"]?["c"]?.intValue)
      #expect(needed < 30)
      try await scene.coupon("exact", codes: needed)
      let chain = #"{"channel": "coupon", "coupon": "exact"}"#
      try await scene.launch(PlanText.plan(more, steps: PlanText.step("gift", chain)))
      try await scene.drain()
      #expect(try await scene.accounting()["steps"]?["gift"]?["sent"] == .int(needed))
    }
  }

  @Test("a dry run shows the codes that may be issued: within the crowd, the limit and the stock")
  func shownCoupons() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(10)
      try await scene.coupon("c", codes: 8)
      func shown(_ limit: Int?) async throws -> JSONValue? {
        let limits = limit.map { #""coupons": {"c": \#($0)}, "# } ?? ""
        try await scene.draft(Self.gift(#""limits": {\#(limits)"allow_partial_stock": true}"#))
        return try await scene.herald.call(.post, "/v1/plans/hello/dry-run", key: scene.author)
          .json["coupons"]
      }
      #expect(try await shown(nil) == ["c": 8])
      #expect(try await shown(20) == ["c": 8])
      #expect(try await shown(3) == ["c": 3])
      let submitted = try await scene.submit()
      let id = try #require(submitted.json["approval"]?.stringValue)
      let approval = try await scene.herald.call(.get, "/v1/approvals/\(id)", key: scene.approver)
      #expect(approval.json["dry_run"]?["coupons"] == ["c": 3])
      #expect(try await scene.approve(submitted).status == 200)
      try await scene.drain()
      #expect(try await scene.accounting()["steps"]?["gift"]?["sent"] == 3)
      // The limit is the plan's, over all its versions.
      #expect(try await shown(3) == ["c": 0])
      #expect(try await shown(4) == ["c": 1])
      #expect(try await shown(nil) == ["c": 5])
    }
  }

  @Test("a crowd larger than its limit is refused, at the submission and at the launch")
  func audience() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.draft(PlanText.plan(#""limits": {"audience": 2}"#))
      let refused = try await scene.submit()
      #expect(refused.status == 409)
      #expect(refused.json["pointer"] == "/limits/audience")
      try await scene.launch(PlanText.plan(#""limits": {"audience": 3}"#))
      _ = try await scene.herald.call(
        .post, "/v1/users", ["identities": ["external_id": "late"]], key: scene.admin)
      try await scene.drain()
      #expect(scene.sent == [])
      #expect(try await scene.states() == ["paused"])
    }
  }
}
