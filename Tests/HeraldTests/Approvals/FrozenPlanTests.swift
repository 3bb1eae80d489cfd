import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("What was approved is what goes out") struct FrozenPlanTests {
  private static let later = #"""
    {"name": "Hello", "trigger": {"segment": "crowd", "at": "2027-01-01T00:00:00Z"},
     "audience": {"segment": "grown"},
     "steps": [{"id": "hello", "send": {"chain": [{"channel": "push", "template": "p"}]}}]}
    """#

  @Test("editing a shared template or segment after the approval changes nothing")
  func shared() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      let crowd: JSONValue = ["attribute": "n", "lt": 3]
      try await scene.put("segments/crowd", ["name": "C", "condition": crowd, "refresh": "live"])
      let grown: JSONValue = ["attribute": "n", "gte": 1]
      try await scene.put("segments/grown", ["name": "G", "condition": grown, "refresh": "live"])
      try await scene.launch(Self.later)
      try await scene.drain()
      #expect(scene.sent == [])
      for key in ["crowd", "grown"] {
        try await scene.put(
          "segments/\(key)", ["name": "X", "condition": ["all": []], "refresh": "live"])
      }
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "No", "body": "No"]])
      try await scene.drain(365 * 86_400)
      #expect(scene.sent == ["u-1 push Hi 用户1", "u-2 push Hi 用户2"])
      #expect(try await scene.states() == ["completed"])
    }
  }

  @Test("a sender that changed since the approval carries nothing; one that is only slower does")
  func senders() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(PlanText.plan())
      let config: JSONValue = ["idempotent": false]
      try await scene.put(
        "senders/gw-push", ["channel": "push", "adapter": "record", "config": config])
      try await scene.drain(10)
      #expect(scene.sent == [])
      #expect(try await scene.accounting()["steps"]?["hello"]?["pending"] == 1)
      try await scene.put(
        "senders/gw-push",
        ["channel": "push", "adapter": "record", "config": ["idempotent": true], "weight": 1])
      try await scene.drain(10)
      #expect(scene.sent == ["u-0 push Hi 用户0"])
    }
  }

  @Test("a draft beside the live version changes nothing of it, and is approved by itself")
  func versions() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(PlanText.plan())
      let sms = PlanText.step("other", #"{"channel": "sms", "template": "m"}"#)
      try await scene.draft(PlanText.plan(steps: sms))
      try await scene.drain()
      #expect(scene.sent == ["u-0 push Hi 用户0"])
      #expect(try await scene.states() == ["draft", "completed"])
      #expect(try await scene.approve(scene.submit()).status == 200)
      try await scene.drain()
      #expect(scene.sent == ["u-0 push Hi 用户0", "u-0 sms Hi"])
      #expect(try await scene.states() == ["completed", "completed"])
    }
  }

  @Test("a plan submitted with a user scope never reaches beyond it, whoever approves")
  func scoped() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(6) { n, user in
        user["attributes"] = ["brand": n.isMultiple(of: 2) ? "A" : "B", "name": "x"]
      }
      let dealer = try await scene.herald.key(
        .operator, "dealer", scope: try .stored(["attribute": "brand", "eq": "A"]))
      try await scene.draft(PlanText.plan(), by: dealer)
      let dry = try await scene.herald.call(.post, "/v1/plans/hello/dry-run", key: dealer)
      #expect(dry.json["audience"] == 3)
      let submitted = try await scene.submit(by: dealer)
      #expect(try await scene.approve(submitted).status == 200)
      try await scene.drain()
      #expect(scene.sent == ["u-0 push Hi x", "u-2 push Hi x", "u-4 push Hi x"])
      #expect(try await scene.accounting()["people"]?["targeted"] == 3)
    }
  }
}
