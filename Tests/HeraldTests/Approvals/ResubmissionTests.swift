import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Taking up what changed since the approval") struct ResubmissionTests {
  /// Waits for calls, so that approving it sends nothing.
  private static let document = CampaignScene.triggered(
    #"{"api": true}"#, #""audience": {"all": [{"segment": "crowd"}, {"segment": "vips"}]}"#,
    steps: PlanText.steps(
      PlanText.step("gift", PlanText.coupon), PlanText.step("hello", PlanText.push),
      #"{"id": "mark", "tag": {"add": "told"}}"#))

  private static func furnish(_ scene: CampaignScene) async throws {
    try await scene.people(1)
    try await scene.coupon("c", codes: 5)
    try await scene.put("segments/vips", ["name": "VIPs", "refresh": "static"])
    try await scene.put("tags/told", ["name": "Told", "category": "custom", "type": "flag"])
  }

  private static func put(_ scene: CampaignScene) async throws -> JSONValue {
    let answer = try await scene.write(document, key: "hello", by: scene.author)
    try #require(answer.status == 200, "\(answer.json.text)")
    return answer.json["draft_version"] ?? .null
  }

  private static func template(_ scene: CampaignScene, _ body: String) async throws {
    try await scene.put(
      "templates/p", ["channel": "push", "content": ["title": "Hi", "body": .string(body)]])
  }

  @Test(
    "each thing a plan uses makes its document a draft when it changed; without a change none is")
  func everyPart() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      try await scene.launch(Self.document)
      let changes: [(name: String, change: () async throws -> Void)] = [
        ("template 'p'", { try await Self.template(scene, "Other") }),
        (
          "coupon 'c'",
          {
            var terms = try #require(
              CouponFixture.document(count: 5, pattern: "C-########").objectValue)
            terms["name"] = "Another"
            try await scene.put("coupons/c", .object(terms))
          }
        ),
        (
          "tag 'told'",
          {
            try await scene.put(
              "tags/told", ["name": "Told", "category": "custom", "type": "flag", "ttl": "9d"])
          }
        ),
        (
          "segment 'crowd'",
          {
            try await scene.put(
              "segments/crowd",
              ["name": "Crowd", "condition": ["attribute": "n", "gte": 0], "refresh": "live"])
          }
        ),
        (
          "list 'vips'",
          {
            let added = try await scene.herald.call(
              .post, "/v1/segments/vips/users", ["add": ["external_id:u-0"]], key: scene.author)
            try #require(added.status == 200, "\(added.json.text)")
          }
        ),
        (
          "sender 'gw-push'",
          {
            try await scene.put(
              "senders/gw-push",
              ["channel": "push", "adapter": "record", "config": ["idempotent": false]])
          }
        ),
      ]
      for (index, (name, change)) in changes.enumerated() {
        #expect(try await Self.put(scene) == .null)
        let none = try await scene.submit()
        #expect(
          none.status == 409 && none.detail.contains("PUT a changed one first"), "\(none.detail)")
        try await change()
        let refused = try await scene.submit()
        #expect(refused.code == "wrong_state")
        #expect(
          refused.detail.contains("\(name). PUT the document again"), "\(name): \(refused.detail)")
        #expect(try await Self.put(scene) == .int(index + 2))
        #expect(try await Self.put(scene) == .int(index + 2))
        let submitted = try await scene.submit()
        #expect(submitted.status == 201, "\(name): \(submitted.json.text)")
        #expect(try await scene.approve(submitted).status == 200)
        try await scene.drain()
      }
      #expect(try await scene.states().first == "live")
    }
  }

  @Test("the difference attached shows the new text and nothing else")
  func difference() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      try await scene.launch(Self.document)
      try await Self.template(scene, "Other words")
      #expect(try await Self.put(scene) == 2)
      let submitted = try await scene.submit()
      let id = try #require(submitted.json["approval"]?.stringValue)
      let approval = try await scene.herald.call(.get, "/v1/approvals/\(id)", key: scene.approver)
      let changes = approval.json["diff"]?.arrayValue ?? []
      #expect(changes.map { $0["pointer"] } == ["/templates/p/content/body"], "\(changes)")
      #expect(changes.first?["after"] == "Other words")
      let own = try await scene.approve(submitted, by: scene.author)
      #expect(own.status == 403)
    }
  }

  @Test("a submission whose template changed is taken back by its document; otherwise it stays")
  func pending() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      try await scene.draft(Self.document)
      let submitted = try await scene.submit()
      #expect(try await Self.put(scene) == 1)
      #expect(try await scene.states() == ["pending_approval"])
      try await Self.template(scene, "Other words")
      #expect(try await Self.put(scene) == 1)
      #expect(try await scene.states() == ["draft"])
      #expect(try await scene.approve(submitted).status == 409)
      let again = try await scene.submit()
      #expect(again.json["hash"] != submitted.json["hash"])
      #expect(try await scene.approve(again).status == 200)
    }
  }

  @Test("who submitted it and a sender that is paused are no change of a plan")
  func notOfTheDocument() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      try await scene.put(
        "segments/branch",
        ["name": "B", "condition": ["attribute": "n", "eq": 0], "refresh": "live"])
      let dealer = try await scene.herald.key(
        .operator, "dealer", scope: try .stored(["segment": "branch"]))
      try await scene.draft(Self.document, by: dealer)
      #expect(try await scene.approve(scene.submit(by: dealer)).status == 200)
      try await scene.drain()
      try await scene.put(
        "segments/branch",
        ["name": "B", "condition": ["attribute": "n", "eq": 1], "refresh": "live"])
      try await scene.herald.execute("UPDATE senders SET state = 'paused' WHERE key = 'gw-push'")
      #expect(try await Self.put(scene) == .null)
      try await Self.template(scene, "Other words")
      #expect(try await Self.put(scene) == 2)
    }
  }

  @Test("a template that is gone is named instead of an advice that would fail")
  func gone() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      try await scene.launch(Self.document)
      try await scene.herald.execute("UPDATE templates SET archived_at = now() WHERE key = 'p'")
      let refused = try await scene.submit()
      #expect(refused.status == 409)
      #expect(refused.detail.contains("There is no template 'p'"), "\(refused.detail)")
      #expect(!refused.detail.contains("PUT the document again"))
    }
  }
}

extension HeraldInProcess.Answer {
  fileprivate var detail: String { json["detail"]?.stringValue ?? "" }
}
