import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Keys with a user scope")
struct UserScopeTests {
  private func scoped(_ role: Role = .operator) throws -> Caller {
    let scope = try Condition.stored(["attribute": "brand", "eq": "A"])
    return Caller(keyID: UUID(), principal: "dealer", role: role, userScope: scope)
  }

  @Test("see, change and erase only the users inside; others are like missing ones")
  func hidden() async throws {
    try await PeopleAPI.with { api in
      let inside = try await api.user("a", ["attributes": ["brand": "A"]])
      let outside = try await api.user("b", ["attributes": ["brand": "B"]])
      let caller = try scoped()
      try await api.call(.put, "/v1/tags/vip", ["name": "VIP", "category": "order"]).discard()

      let missing = try await api.call(.get, "/v1/users/\(UUID().text)", as: caller)
      for ref in [outside, "external_id:b"] {
        for (method, path, body) in [
          (HTTPMethod.get, "", nil), (.get, "/timeline", nil), (.get, "/export", nil),
          (.patch, "", ["attributes": ["x": 1]]), (.delete, "", nil),
          (.put, "/tags/vip", nil), (.delete, "/tags/vip", nil),
        ] as [(HTTPMethod, String, JSONValue?)] {
          let answer = try await api.call(method, "/v1/users/\(ref)\(path)", body, as: caller)
          #expect(answer.status == 404, "\(method) \(path)")
          #expect(answer.text == missing.text, "\(method) \(path)")
        }
      }
      #expect(try await api.call(.get, "/v1/users/\(inside)", as: caller).status == 200)
      let list = try await api.call(.get, "/v1/users", as: caller)
      #expect(list.json["data"]?.arrayValue?.map { $0["id"] } == [.string(inside)])
      let bulk = try await api.call(
        .post, "/v1/tags/vip/users", ["add": ["external_id:a", "external_id:b"]], as: caller)
      #expect(bulk.json["add"]?.arrayValue?.map { $0["status"]?.intValue } == [200, 404])
    }
  }

  @Test("make and change users only within it")
  func upsert() async throws {
    try await PeopleAPI.with { api in
      try await api.user("b", ["attributes": ["brand": "B"]])
      let caller = try scoped()
      func upsert(_ name: String, _ brand: JSONValue) async throws -> Int {
        try await api.call(
          .post, "/v1/users",
          ["identities": ["external_id": .string(name)], "attributes": ["brand": brand]],
          as: caller
        ).status
      }
      #expect(try await upsert("a", "A") == 201)
      #expect(try await upsert("b", "A") == 404)
      #expect(try await upsert("c", "B") == 403)
      #expect(try await upsert("a", "B") == 403)
      let batch = try await api.call(
        .post, "/v1/users/batch",
        [
          "users": [
            ["identities": ["external_id": "d"], "attributes": ["brand": "A"]],
            ["identities": ["external_id": "e"]], ["identities": ["external_id": "b"]],
            ["identities": ["external_id": "a"], "attributes": ["n": 1]],
          ]
        ], as: caller)
      #expect(
        batch.json["results"]?.arrayValue?.map { $0["status"]?.intValue } == [201, 403, 404, 200])
      #expect(try await api.count("SELECT count(*) FROM users") == 3)
      let b = try await api.call(.get, "/v1/users/external_id:b")
      #expect(b.json["attributes"] == ["brand": "B"])
    }
  }

  @Test("send events of users inside only, and import nothing")
  func events() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["brand": "A"]])
      try await api.user("b", ["attributes": ["brand": "B"]])
      let events = ["a", "b", "new"].map { name -> JSONValue in
        ["user": ["external_id": .string(name)], "name": "x"]
      }
      let answer = try await api.call(
        .post, "/v1/events", ["events": .array(events)], as: try scoped(.ingest))
      #expect(answer.json["accepted"] == 1)
      #expect(
        answer.json["rejected"]?.arrayValue?.compactMap { $0["index"]?.intValue } == [1, 2])
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
      let refused = try await api.call(
        .post, "/v1/imports?kind=users", bytes: [], headers: ["content-type": "text/csv"],
        as: try scoped())
      #expect(refused.status == 403)
    }
  }

  @Test("users are listed by segment, evaluated now")
  func segment() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["age": 41]])
      try await api.user("b", ["attributes": ["age": 20]])
      _ = try await api.db.write { tx in
        try tx.execute(
          """
          INSERT INTO segments (key, name, kind, condition, refresh, created_at, updated_at)
          VALUES ('grown', 'Grown', 'rule', '{"attribute": "age", "gte": 30}', '"live"',
            \(PeopleAPI.now), \(PeopleAPI.now))
          """)
      }
      let list = try await api.call(.get, "/v1/users?segment=grown")
      #expect(
        list.json["data"]?.arrayValue?.map { $0["identities"]?["external_id"] } == ["a"])
      #expect(try await api.call(.get, "/v1/users?segment=none").status == 404)
    }
  }
}
