import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Plans") struct PlansTests {
  @Test("every name that is nothing is a fault at its place, beside what else is wrong")
  func references() async throws {
    try await CampaignScene.with { scene in
      let text = #"""
        {"name": "", "trigger": {"segment": "ghosts", "at": "now"},
         "audience": {"all": [{"segment": "none"}, {"tag": "never"}]},
         "steps": [
           {"id": "a", "send": {"chain": [{"channel": "push", "template": "m"},
                                          {"channel": "sms", "template": "gone"}]}},
           {"send": {"chain": []}},
           {"id": "b", "send": {"chain": [{"channel": "fax"},
                                          {"channel": "coupon", "coupon": "nothing"}]}}]}
        """#
      let answer = try await scene.write(text, key: "hello", by: scene.author)
      #expect(answer.status == 422)
      let found = answer.json["errors"]?.arrayValue?.map {
        "\($0["code"]?.stringValue ?? "") \($0["pointer"]?.stringValue ?? "")"
      }
      #expect(
        Set(found ?? []) == [
          "out_of_range /name", "unknown_segment /trigger/segment",
          "unknown_segment /audience/all/0/segment", "unknown_tag /audience/all/1/tag",
          "channel_mismatch /steps/0/send/chain/0/template",
          "unknown_template /steps/0/send/chain/1/template",
          "required /steps/1/id", "out_of_range /steps/1/send/chain",
          "invalid_choice /steps/2/send/chain/0/channel",
          "unknown_coupon /steps/2/send/chain/1/coupon",
        ])
      #expect(try await scene.herald.count("SELECT count(*) FROM plans") == 0)
    }
  }

  @Test("only an admin declares a plan transactional, and nobody else submits it")
  func transactional() async throws {
    try await CampaignScene.with { scene in
      let text = PlanText.plan(#""class": "transactional""#)
      let refused = try await scene.write(text, key: "hello", by: scene.author)
      #expect(refused.status == 422)
      #expect(refused.pointers == ["/class"])
      try await scene.draft(text, by: scene.admin)
      #expect(try await scene.submit().status == 422)
      #expect(try await scene.submit(by: scene.admin).status == 201)
    }
  }

  @Test("201 at first, 200 then; equal documents change nothing; If-Match is kept")
  func put() async throws {
    try await CampaignScene.with { scene in
      let document = try JSONScanner.parse(Array(PlanText.plan().utf8))
      func put(_ document: JSONValue, match: String? = nil) async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(
          .put, "/v1/plans/hello", document, key: scene.author,
          headers: match.map { ["if-match": $0] } ?? [:])
      }
      let first = try await put(document)
      #expect(first.status == 201)
      let tag = try #require(first.headers["etag"])
      let second = try await put(document, match: tag)
      #expect(second.status == 200)
      #expect(second.headers["etag"] == tag)
      #expect(second.json == first.json)
      #expect(try await put(document, match: "\"v99\"").status == 412)
      var changed = try #require(document.objectValue)
      changed["priority"] = 51
      let third = try await put(.object(changed), match: tag)
      #expect(third.status == 200)
      #expect(third.json["draft_version"] == 1)
      #expect(third.headers["etag"] != tag)
    }
  }

  @Test("of writes that expect the same version, one is done")
  func lostUpdate() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for priority in 60..<66 {
          group.addTask {
            let text = PlanText.plan(#""priority": \#(priority)"#)
            return try await scene.herald.call(
              .put, "/v1/plans/hello", JSONScanner.parse(Array(text.utf8)), key: scene.author,
              headers: ["if-match": "\"v2\""]
            ).status
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == [200] + Array(repeating: 412, count: 5))
    }
  }

  @Test("a submission needs somebody to carry each channel")
  func noSender() async throws {
    try await CampaignScene.with { scene in
      try await scene.put(
        "templates/e", ["channel": "email", "content": ["subject": "Hi", "text": "Hi"]])
      let steps = PlanText.step("a", #"{"channel": "email", "template": "e"}"#)
      try await scene.draft(PlanText.plan(steps: steps))
      let answer = try await scene.submit()
      #expect(answer.status == 422)
      #expect(answer.pointers == ["/steps/0/send/chain/0/channel"])
    }
  }

  @Test("an archived plan is not listed, and comes back when it is written again")
  func archive() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      func listed() async throws -> Int? {
        try await scene.herald.call(.get, "/v1/plans", key: scene.author).json["data"]?
          .arrayValue?.count
      }
      _ = try await scene.submit()
      let path = "/v1/plans/hello/archive"
      let refused = try await scene.herald.call(.post, path, key: scene.author)
      #expect(refused.code == "wrong_state")
      try await scene.draft(PlanText.plan(#""priority": 51"#))
      #expect(try await scene.herald.call(.post, path, key: scene.author).status == 204)
      #expect(try await listed() == 0)
      try await scene.draft(PlanText.plan(#""priority": 51"#))
      #expect(try await listed() == 1)
      let deleted = try await scene.herald.call(.delete, "/v1/plans/hello", key: scene.author)
      #expect(deleted.status == 204)
      #expect(try await listed() == 0)
    }
  }

  @Test("pause stops everything, resume goes on, cancel ends it with a reason for everybody")
  func steering() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.launch(PlanText.plan())
      func steer(_ verb: String) async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(.post, "/v1/plans/hello/\(verb)", key: scene.author)
      }
      #expect(try await steer("pause").status == 200)
      try await scene.drain()
      #expect(scene.sent == [])
      #expect(try await steer("pause").code == "wrong_state")
      #expect(try await steer("resume").status == 200)
      scene.herald.channel.reply { _ in .retry(after: nil, reason: "503") }
      try await scene.drain()
      #expect(try await scene.states() == ["live"])
      #expect(try await steer("pause").json["plan"]?["paused"] == true)
      try await scene.drain(3600)
      #expect(scene.sent.count == 3)
      #expect(try await steer("cancel").status == 200)
      try await scene.drain()
      let books = try await scene.accounting()
      #expect(books["people"]?["exited"] == ["cancelled": 3])
      #expect(books["steps"]?["hello"]?["pending"] == 0)
      #expect(books["balanced"] == true)
      #expect(try await steer("resume").code == "wrong_state")
    }
  }
}
