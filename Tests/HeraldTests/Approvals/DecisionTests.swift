import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Deciding on a submission") struct DecisionTests {
  @Test("a decision names the hash of what was submitted")
  func hash() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let other = "sha256:" + String(repeating: "0", count: 64)
      for verb in ["approve", "reject"] {
        let answer = try await scene.decide(verb, submitted, by: scene.approver, hash: other)
        #expect(answer.status == 409)
        #expect(answer.code == "hash_changed")
      }
      #expect(try await scene.states() == ["pending_approval"])
    }
  }

  @Test("it is decided once, however many decide at once")
  func once() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let approvers = try await (0..<8).asyncMap { try await scene.herald.key(.approver, "a\($0)") }
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for (number, key) in approvers.enumerated() {
          group.addTask {
            try await scene.decide(number % 2 == 0 ? "approve" : "reject", submitted, by: key)
              .status
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [200] + Array(repeating: 409, count: 7))
    }
  }

  @Test("an edit takes the submission back; the same document again does not")
  func edit() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      try await scene.draft(PlanText.plan())
      #expect(try await scene.states() == ["pending_approval"])
      try await scene.draft(PlanText.plan(#""priority": 51"#))
      #expect(try await scene.states() == ["draft"])
      let id = try #require(submitted.json["approval"]?.stringValue)
      let approval = try await scene.herald.call(.get, "/v1/approvals/\(id)", key: scene.approver)
      #expect(approval.json["state"] == "superseded")
      #expect(try await scene.approve(submitted).code == "wrong_state")
    }
  }

  @Test("another spelling of the same document is no edit; other content has another hash")
  func stable() async throws {
    try await CampaignScene.with { scene in
      let other = #"""
        {"holdout": 1e-1, "steps": [\#(PlanText.step("hello", PlanText.push))],
         "trigger": {"at": "now", "segment": "crowd"}, "name": "Hello"}
        """#
      try await scene.draft(PlanText.plan(#""holdout": 0.10"#))
      let hash = try #require(try await scene.submit().json["hash"]?.stringValue)
      try await scene.draft(other)
      #expect(try await scene.states() == ["pending_approval"])
      try await scene.draft(PlanText.plan(#""holdout": 0.11"#))
      #expect(try await scene.submit().json["hash"]?.stringValue != hash)
    }
  }

  @Test("what a template says, and which senders there are, is part of the hash; their pace is not")
  func pinned() async throws {
    try await CampaignScene.with { scene in
      func hash() async throws -> String? {
        try await scene.draft(PlanText.plan(#""priority": 51"#))
        try await scene.draft(PlanText.plan())
        return try await scene.submit().json["hash"]?.stringValue
      }
      let first = try await hash()
      try await scene.put(
        "senders/gw-push",
        [
          "channel": "push", "adapter": "record", "config": ["idempotent": true], "weight": 5,
          "pace": ["per_second": 100],
        ])
      #expect(try await hash() == first)
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": "Other"]])
      #expect(try await hash() != first)
    }
  }

  @Test("the difference to the live version names what changed")
  func diff() async throws {
    try await CampaignScene.with { scene in
      try await scene.launch(PlanText.plan())
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": "Other"]])
      try await scene.draft(PlanText.plan(#""priority": 60"#))
      let submitted = try await scene.submit()
      let id = try #require(submitted.json["approval"]?.stringValue)
      let approval = try await scene.herald.call(.get, "/v1/approvals/\(id)", key: scene.approver)
      let diff = approval.json["diff"]?.arrayValue ?? []
      #expect(
        Set(diff.compactMap { $0["pointer"]?.stringValue }) == [
          "/document/priority", "/templates/p/content/body",
        ])
      let body = diff.first { $0["pointer"] == "/templates/p/content/body" }
      #expect(body?["after"] == "Other")
    }
  }
}

extension Sequence {
  /// One after the other.
  func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
    var results: [T] = []
    for element in self { results.append(try await transform(element)) }
    return results
  }
}
