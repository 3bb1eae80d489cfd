import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// What a key writes may be what its scope asks for.
@Suite("A user scope cannot be left or entered by what its key writes")
struct ScopeKeepingTests {
  private static let scope: JSONValue = ["attribute": "brand", "eq": "A"]

  private func scoped(_ scope: JSONValue = scope, role: Role = .operator) throws -> Caller {
    Caller(
      keyID: UUID(), principal: "dealer", role: role, userScope: try Condition.stored(scope))
  }

  private func attributes(_ api: PeopleAPI, _ user: String) async throws -> JSONValue? {
    try await api.call(.get, "/v1/users/external_id:\(user)").json["attributes"]
  }

  private func rejected(_ answer: PeopleAPI.Answer) -> [String] {
    answer.json["rejected"]?.arrayValue?.map {
      "\($0["index"]?.intValue ?? -1) \($0["code"]?.stringValue ?? "") \($0["pointer"]?.stringValue ?? "")"
    } ?? []
  }

  @Test("by attributes of events: those that would are refused one by one")
  func events() async throws {
    try await PeopleAPI.with { api in
      for user in ["a", "b", "c"] {
        try await api.user(user, ["attributes": ["brand": user == "b" ? "B" : "A", "n": 0]])
      }
      func event(_ user: String, _ attributes: JSONValue) -> JSONValue {
        [
          "user": ["external_id": .string(user)], "name": "x", "attributes": attributes,
          "message_id": .string("\(user)-\(attributes)"),
        ]
      }
      let body: JSONValue = [
        "events": [
          event("a", ["n": ["$increment": 1]]), event("a", ["brand": "B"]),
          event("b", ["brand": "A"]), event("c", ["brand": .null]), event("c", ["n": 5]),
          event("a", ["brand": ["$set_if_absent": "C"], "m": 2]),
        ]
      ]
      let answer = try await api.call(.post, "/v1/events", body, as: try scoped(role: .ingest))
      #expect(answer.json["accepted"] == 3)
      #expect(
        rejected(answer) == [
          "1 forbidden /events/1/attributes", "2 not_found /events/2/user",
          "3 forbidden /events/3/attributes",
        ])
      #expect(try await attributes(api, "a") == ["brand": "A", "n": 1, "m": 2])
      #expect(try await attributes(api, "b") == ["brand": "B", "n": 0])
      #expect(try await attributes(api, "c") == ["brand": "A", "n": 5])
      #expect(try await api.count("SELECT count(*) FROM events") == 3)
      // What was refused was not counted as seen.
      let again = try await api.call(.post, "/v1/events", body, as: PeopleAPI.caller(.ingest))
      #expect(again.json["accepted"] == 3 && again.json["duplicates"] == 3)
    }
  }

  @Test("by identities: nobody outside is merged into somebody inside")
  func identities() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["brand": "A"]])
      _ = try await api.call(
        .post, "/v1/users",
        ["identities": ["email": "b@example.com"], "attributes": ["brand": "B", "secret": 1]])
      let answer = try await api.call(
        .post, "/v1/events",
        [
          "events": [
            ["user": ["external_id": "a", "email": "b@example.com"], "name": "x"],
            ["user": ["external_id": "a", "email": "a@example.com"], "name": "x"],
          ]
        ], as: try scoped(role: .ingest))
      #expect(rejected(answer) == ["0 not_found /events/0/user"])
      #expect(try await attributes(api, "a") == ["brand": "A"])
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
    }
  }

  @Test("by identify, group and alias of the tracking API: noted as violations")
  func tracking() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "li.lei")
      for user in ["a", "b"] {
        try await herald.user(
          user, ["attributes": ["brand": user == "a" ? "A" : "B"]], key: admin)
      }
      let key = try await herald.key(.ingest, "dealer", scope: try .stored(Self.scope))
      let answer = try await herald.call(
        .post, "/v1/batch",
        [
          "batch": [
            ["type": "identify", "userId": "a", "traits": ["brand": "B"]],
            ["type": "identify", "userId": "b", "context": ["traits": ["brand": "A"]]],
            ["type": "identify", "userId": "a", "traits": ["city": "杭州"]],
            ["type": "alias", "userId": "a", "previousId": "b"],
          ]
        ], key: key)
      #expect(answer.status == 200)
      let violations = try await herald.call(.get, "/v1/violations", key: admin)
      let codes = violations.json["data"]?.arrayValue?.compactMap { $0["code"]?.stringValue }
      #expect(codes?.sorted() == ["forbidden", "not_found", "not_found"])
      let a = try await herald.call(.get, "/v1/users/external_id:a", key: admin)
      #expect(a.json["attributes"] == ["brand": "A", "city": "杭州"])
      #expect(try await herald.count("SELECT count(*) FROM identity_conflicts") == 0)
    }
  }

  @Test("by tags, one by one and in bulk")
  func tags() async throws {
    try await PeopleAPI.with { api in
      for user in ["a", "c"] {
        try await api.user(user, ["tags": ["brand_a": true, "late": .bool(user == "c")]])
      }
      try await api.call(.put, "/v1/tags/gone", ["name": "Gone", "category": "order"]).discard()
      let caller = try scoped(["all": [["tag": "brand_a"], ["not": ["tag": "gone"]]]])
      let removed = try await api.call(
        .delete, "/v1/users/external_id:a/tags/brand_a", as: caller)
      #expect(removed.status == 403)
      #expect(
        try await api.call(.put, "/v1/users/external_id:a/tags/gone", as: caller).status == 403)
      let bulk = try await api.call(
        .post, "/v1/tags/brand_a/users",
        ["add": ["external_id:c"], "remove": ["external_id:a", "external_id:none"]], as: caller)
      #expect(bulk.json["add"]?.arrayValue?.map { $0["status"]?.intValue } == [200])
      #expect(bulk.json["remove"]?.arrayValue?.map { $0["status"]?.intValue } == [403, 404])
      let a = try await api.call(.get, "/v1/users/external_id:a")
      #expect(a.json["tags"] == ["brand_a": true])
    }
  }
}
