import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Conflicts of identities")
struct ConflictTests {
  private func open(_ api: PeopleAPI) async throws -> [JSONValue] {
    try await api.call(.get, "/v1/identity-conflicts?state=open").json["data"]?.arrayValue ?? []
  }

  /// u-1 and u-2, the latter with a unionid, which then comes together with u-1.
  private func clash(_ api: PeopleAPI) async throws -> PeopleAPI.Answer {
    try await api.user("u-1")
    _ = try await api.call(
      .post, "/v1/users", ["identities": ["external_id": "u-2", "wechat_unionid": "w"]])
    return try await api.call(
      .post, "/v1/users", ["identities": ["external_id": "u-1", "wechat_unionid": "w"]])
  }

  @Test("are put before a person once, however often they come, and nobody is merged")
  func queued() async throws {
    try await PeopleAPI.with { api in
      let answer = try await clash(api)
      #expect(answer.status == 409 && answer.json["code"] == "identity_conflict")
      for number in 1...2 {
        let events: JSONValue = [
          "events": [
            [
              "user": ["external_id": "u-1", "wechat_unionid": "w"], "name": "viewed",
              "message_id": "m-\(number)",
            ]
          ]
        ]
        #expect(try await api.call(.post, "/v1/events", events).json["accepted"] == 1)
      }
      let conflicts = try await open(api)
      #expect(conflicts.count == 1)
      #expect(conflicts.first?["seen"] == 3 && conflicts.first?["kind"] == "external_id")
      #expect(conflicts.first?["identities"]?["wechat_unionid"] == ["w"])
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
      let timeline = try await api.call(.get, "/v1/users/external_id:u-1/timeline")
      #expect(timeline.json["data"]?.arrayValue?.count == 2)
    }
  }

  @Test("are settled by a merge", arguments: ["merge", "keep_apart"])
  func settled(decision: String) async throws {
    try await PeopleAPI.with { api in
      _ = try await clash(api)
      let id = try await open(api).first?["id"]?.stringValue ?? ""
      let path = "/v1/identity-conflicts/\(id)/resolve"
      let answer = try await api.call(
        .post, path, ["decision": .string(decision), "comment": "They called us."])
      #expect(answer.status == 200)
      #expect(answer.json["state"]?.stringValue == (decision == "merge" ? "merged" : "kept_apart"))
      #expect(try await api.call(.post, path, ["decision": .string(decision)]).status == 409)
      let again = try await api.call(
        .post, "/v1/users", ["identities": ["external_id": "u-1", "wechat_unionid": "w"]])
      #expect(again.status == (decision == "merge" ? 200 : 409))
      #expect(try await open(api).isEmpty)
      #expect(
        try await api.count("SELECT count(*) FROM users") == (decision == "merge" ? 1 : 2))
    }
  }

  @Test("a kind of one's own has its rule; the built-in external_id keeps its own")
  func kinds() async throws {
    try await PeopleAPI.with { api in
      let admin = PeopleAPI.caller(.admin)
      let card: JSONValue = ["priority": 85, "multiple": false, "on_conflict": "conflict"]
      #expect(
        try await api.call(.put, "/v1/identity-kinds/member_card", card, as: admin).status == 201)
      #expect(
        try await api.call(.put, "/v1/identity-kinds/member_card", card, as: admin).status == 200)
      let refused = try await api.call(
        .put, "/v1/identity-kinds/external_id", ["priority": 1, "on_conflict": "move"], as: admin)
      #expect(refused.status == 409)
      let kinds = try await api.call(.get, "/v1/identity-kinds").json["data"]?.arrayValue
      #expect(kinds?.count == 8)
      let form = await IdentityKinds(db: api.db) { ProjectSettings() }.form()
      try await IdentityForm.$standard.withValue(form) {
        for card in ["c-1", "c-2"] {
          let answer = try await api.call(
            .post, "/v1/users",
            ["identities": ["member_card": .string(card), "phone": "+8613800138000"]])
          #expect(answer.status == 201)
        }
      }
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
    }
  }

  @Test("telephone numbers are read as the project's region writes them")
  func region() async throws {
    try await PeopleAPI.with { api in
      var settings = ProjectSettings()
      settings.region = "GB"
      let form = await IdentityKinds(db: api.db) { [settings] in settings }.form()
      try await IdentityForm.$standard.withValue(form) {
        _ = try await api.call(.post, "/v1/users", ["identities": ["phone": "020 7946 0958"]])
      }
      #expect(
        try await api.call(.get, "/v1/users/phone:%2B442079460958").status == 200)
    }
  }
}
