import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Who may approve") struct BarringTests {
  @Test("not who wrote it, not who submitted it, not an admin who edited it; another may")
  func authors() async throws {
    try await CampaignScene.with { scene in
      let herald = scene.herald
      try await scene.draft(PlanText.plan(), by: scene.author)
      try await scene.draft(PlanText.plan(#""priority": 60"#), by: scene.admin)
      let submitter = try await herald.key(.operator, "han.meimei")
      let submitted = try await scene.submit(by: submitter)
      #expect(submitted.status == 201)
      let barred = [
        scene.admin, try await herald.key(.admin, "zhao.min"),
        try await herald.key(.approver, "li.lei"), try await herald.key(.approver, "han.meimei"),
        try await herald.key(.admin, "han.meimei"), scene.author, submitter,
      ]
      for key in barred {
        for verb in ["approve", "reject"] {
          let answer = try await scene.decide(verb, submitted, by: key)
          #expect(answer.status == 403)
          #expect(answer.code == "self_approval")
        }
      }
      let uninvolved = try await herald.key(.operator, "sun")
      #expect(try await scene.approve(submitted, by: uninvolved).code == "forbidden")
      #expect(try await scene.approve(submitted).status == 200)
      #expect(try await scene.states() == ["approved"])
    }
  }

  @Test("not who wrote what was copied")
  func copies() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let copier = try await scene.herald.key(.operator, "han.meimei")
      let copied = try await scene.herald.call(
        .post, "/v1/plans/hello/copy", ["key": "again"], key: copier)
      #expect(copied.status == 201)
      let submitted = try await scene.submit("again", by: copier)
      let author = try await scene.herald.key(.approver, "li.lei")
      #expect(try await scene.approve(submitted, by: author).code == "self_approval")
      #expect(try await scene.approve(submitted).status == 200)
    }
  }

  @Test("not with a key an author made, nor one made with such a key, whoever it names")
  func mintedKeys() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan(), by: scene.admin)
      func mint(_ principal: String, _ role: String, by maker: String) async throws -> String {
        let answer = try await scene.herald.call(
          .post, "/v1/keys",
          ["name": "n", "role": .string(role), "principal": .string(principal)], key: maker)
        return try #require(answer.json["key"]?.stringValue)
      }
      let child = try await mint("somebody", "admin", by: scene.admin)
      let grandchild = try await mint("somebody.else", "admin", by: child)
      let last = try await mint("nobody", "approver", by: grandchild)
      let submitted = try await scene.submit()
      for key in [child, grandchild, last] {
        let answer = try await scene.approve(submitted, by: key)
        #expect(answer.code == "self_approval")
      }
      let other = try await scene.herald.key(.admin, "qian")
      let clean = try await mint("sun", "approver", by: other)
      #expect(try await scene.approve(submitted, by: clean).status == 200)
    }
  }

  @Test("who edited before the last approval may approve the next version")
  func afterwards() async throws {
    try await CampaignScene.with { scene in
      try await scene.launch(PlanText.plan())
      let other = try await scene.herald.key(.operator, "han.meimei")
      try await scene.draft(PlanText.plan(#""priority": 60"#), by: other)
      let submitted = try await scene.submit(by: other)
      let answer = try await scene.approve(
        submitted, by: try await scene.herald.key(.approver, "li.lei"))
      #expect(answer.status == 200)
    }
  }

  @Test("a rejected version's authors stay barred from its next form")
  func rejected() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let first = try await scene.submit()
      #expect(try await scene.decide("reject", first, by: scene.approver).status == 200)
      #expect(try await scene.states() == ["rejected"])
      #expect(try await scene.submit().code == "wrong_state")
      try await scene.draft(PlanText.plan(#""priority": 60"#), by: scene.admin)
      let second = try await scene.submit(by: scene.admin)
      let answer = try await scene.approve(
        second, by: try await scene.herald.key(.approver, "li.lei"))
      #expect(answer.code == "self_approval")
    }
  }
}
