import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("A user scope over all of the API") struct ScopedTargetTests {
  @Test("whoever stands outside is like somebody who does not exist, wherever a user is named")
  func hidden() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2) { n, user in
        user["attributes"] = ["brand": n == 0 ? "A" : "B"]
      }
      try await scene.put("tags/vip", ["name": "VIP", "category": "order", "type": "flag"])
      try await scene.coupon("c", codes: 2)
      try await scene.launch(PlanText.plan(steps: PlanText.step("gift", PlanText.coupon)))
      try await scene.drain()
      let scope: JSONValue = ["attribute": "brand", "eq": "A"]
      let dealer = try await scene.herald.key(.admin, "dealer", scope: try .stored(scope))
      for endpoint in scene.herald.app.endpoints where endpoint.pattern.contains("{u}") {
        let body: JSONValue? =
          switch (endpoint.method, endpoint.pattern) {
          case (.patch, _): ["attributes": ["x": 1]]
          case (.put, "/v1/users/{u}/consents/{channel}"): ["state": "granted"]
          case (.put, "/v1/users/{u}/devices/{provider}/{token}"): ["platform": "ios"]
          default: endpoint.operation.request == nil ? nil : [:]
          }
        func answer(_ user: String) async throws -> HeraldInProcess.Answer {
          let path = endpoint.pattern.replacing("{u}", with: user).replacing("{key}", with: "vip")
            .replacing("{channel}", with: "sms").replacing("{provider}", with: "apns")
            .replacing("{token}", with: "t-1")
          let query = path.hasSuffix("/explain") ? "?plan=hello" : ""
          return try await scene.herald.call(endpoint.method, path + query, body, key: dealer)
        }
        let name = "\(endpoint.method.rawValue) \(endpoint.pattern)"
        let outside = try await answer("external_id:u-1")
        let missing = try await answer("external_id:nobody")
        #expect(outside.status == 404, "\(name)")
        #expect(outside.json == missing.json, "\(name)")
      }
      #expect(
        try await scene.herald.count("SELECT count(*) FROM users WHERE erased_at IS NULL") == 2)
    }
  }

  @Test("a scene, which concerns everybody, is not told by who sees a part")
  func scenes() async throws {
    try await CampaignScene.with { scene in
      let dealer = try await scene.herald.key(
        .ingest, "dealer", scope: try .stored(["attribute": "brand", "eq": "A"]))
      let answer = try await scene.herald.call(
        .post, "/v1/scenes", ["name": "rain"], key: dealer)
      #expect(answer.code == "forbidden")
      #expect(try await scene.herald.count("SELECT count(*) FROM scenes") == 0)
    }
  }

  @Test("an approver agrees to what reaches people they see, of a submitter of the same scope")
  func approving() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2) { n, user in
        user["attributes"] = ["brand": n == 0 ? "A" : "B", "name": "x"]
      }
      let scope = try Condition.stored(["attribute": "brand", "eq": "A"])
      let dealer = try await scene.herald.key(.approver, "dealer", scope: scope)
      try await scene.draft(PlanText.plan())
      #expect(try await scene.approve(try await scene.submit(), by: dealer).code == "forbidden")
      let clerk = try await scene.herald.key(.operator, "clerk", scope: scope)
      try await scene.draft(PlanText.plan(#""priority": 60"#), by: clerk)
      let submitted = try await scene.submit(by: clerk)
      #expect(try await scene.approve(submitted, by: dealer).json["state"] == "approved")
    }
  }

  @Test("people outside are not rendered, listed or counted")
  func elsewhere() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3) { n, user in
        user["attributes"] = ["brand": n == 0 ? "A" : "B", "name": "x"]
      }
      let scope: JSONValue = ["attribute": "brand", "eq": "A"]
      let dealer = try await scene.herald.key(.admin, "dealer", scope: try .stored(scope))
      func post(_ path: String, _ body: JSONValue) async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(.post, "/v1/\(path)", body, key: dealer)
      }
      let render = try await post("templates/p/render", ["user": "external_id:u-1"])
      #expect(render.status == 404)
      let preview = try await post("segments/preview", ["condition": ["all": []]])
      #expect(preview.json["count"] == 1)
      let members = try await scene.herald.call(.get, "/v1/segments/crowd/users", key: dealer)
      #expect(members.json["data"]?.arrayValue?.count == 1)
      let users = try await scene.herald.call(.get, "/v1/users?segment=crowd", key: dealer)
      #expect(users.json["data"]?.arrayValue?.count == 1)
    }
  }
}
