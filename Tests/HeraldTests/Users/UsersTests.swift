import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Users")
struct UsersTests {
  private static let example: JSONValue = [
    "identities": [
      "external_id": "u-77", "phone": "+8613800138000", "email": "li@example.com",
    ],
    "attributes": ["name": "李雷", "age": 41, "city": "杭州", "birthday": "1984-02-29"],
    "time_zone": "Asia/Shanghai", "locale": "zh-CN",
    "consents": ["sms": "granted", "push": "granted", "email": "denied"],
    "tags": ["vip": true, "tier": "gold"],
    "devices": [["platform": "ios", "token": "abc", "provider": "apns"]],
  ]

  @Test("are created, found by every identity, and changed by the next upsert")
  func upsert() async throws {
    try await PeopleAPI.with { api in
      let created = try await api.call(.post, "/v1/users", Self.example)
      #expect(created.status == 201)
      #expect(created.json["identities"] == Self.example["identities"])
      #expect(created.json["attributes"] == Self.example["attributes"])
      #expect(created.json["tags"] == ["vip": true, "tier": "gold"])
      #expect(created.json["consents"] == Self.example["consents"])
      #expect(created.json["time_zone"] == "Asia/Shanghai")
      #expect(created.json["devices"]?.arrayValue?.first?["token"] == "abc")
      #expect(
        created.json["reachable"] == ["push", "sms", "coupon", "in_app", "webhook"])
      #expect(created.json["created_at"] == .instant(PeopleAPI.now))

      let id = try #require(created.json["id"]?.stringValue)
      for ref in ["external_id:u-77", "phone:%2B8613800138000", "email:LI@example.com", id] {
        let found = try await api.call(.get, "/v1/users/\(ref)")
        #expect(found.status == 200 && found.json == created.json, "\(ref)")
      }
      let changed = try await api.call(
        .post, "/v1/users",
        [
          "identities": ["external_id": "u-77", "phone": "13900139000"],
          "attributes": ["age": 42, "city": .null], "tags": ["vip": false],
        ])
      #expect(changed.status == 200)
      #expect(changed.json["id"] == .string(id))
      #expect(
        changed.json["attributes"] == ["name": "李雷", "age": 42, "birthday": "1984-02-29"])
      #expect(changed.json["identities"]?["phone"]?.arrayValue?.count == 2)
      #expect(changed.json["tags"] == ["tier": "gold"])
      #expect(changed.json["time_zone"] == "Asia/Shanghai")
      #expect(created.headers["etag"] != changed.headers["etag"])
    }
  }

  @Test("hear of every fault of a body at its place")
  func faults() async throws {
    try await PeopleAPI.with { api in
      let answer = try await api.call(
        .post, "/v1/users",
        [
          "identities": ["phone": "12", "shoe": "43", "external_id": 7], "time_zone": "EST",
          "locale": "zh_CN", "consents": ["sms": "yes", "pigeon": "granted"], "attribute": [:],
        ])
      #expect(answer.status == 422)
      let places = Set(
        answer.json["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? [])
      #expect(
        places == [
          "/identities/phone", "/identities/shoe", "/identities/external_id", "/time_zone",
          "/locale", "/consents/sms", "/consents/pigeon", "/attribute",
        ])
      #expect(try await api.call(.post, "/v1/users", ["identities": [:]]).status == 422)
      #expect(try await api.call(.post, "/v1/users", [:]).status == 422)
      #expect(try await api.count("SELECT count(*) FROM users") == 0)
    }
  }

  @Test("are not merged by an upsert that names two who are certainly two")
  func conflict() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["n": 1]])
      try await api.call(
        .post, "/v1/users", ["identities": ["external_id": "b", "wechat_unionid": "w"]]
      ).discard()
      let answer = try await api.call(
        .post, "/v1/users", ["identities": ["external_id": "a", "wechat_unionid": "w"]])
      #expect(answer.status == 409)
      #expect(answer.json["code"] == "identity_conflict")
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
    }
  }

  @Test("lose a phone to the external_id that claims it, with history")
  func phoneMoves() async throws {
    try await PeopleAPI.with { api in
      let phone: JSONValue = "+8613800138000"
      for external in ["a", "b"] {
        let answer = try await api.call(
          .post, "/v1/users", ["identities": ["external_id": .string(external), "phone": phone]])
        #expect(answer.status == 201)
      }
      let a = try await api.call(.get, "/v1/users/external_id:a")
      #expect(a.json["identities"] == ["external_id": "a"])
      let owner = try await api.call(.get, "/v1/users/phone:+8613800138000")
      #expect(owner.json["identities"]?["external_id"] == "b")
      #expect(
        try await api.count("SELECT count(*) FROM identity_history WHERE change = 'moved_away'")
          == 1)
    }
  }

  @Test("of a batch are answered one by one; a bad one spoils no other")
  func batch() async throws {
    try await PeopleAPI.with { api in
      try await api.user("known")
      let answer = try await api.call(
        .post, "/v1/users/batch",
        [
          "users": [
            ["identities": ["external_id": "n1"], "tags": ["vip": true]],
            ["identities": ["email": "nonsense"]],
            ["identities": ["external_id": "known"], "attributes": ["a": 1]],
            "nobody",
            ["identities": ["external_id": "n1"], "attributes": ["b": [1, 2]]],
            ["identities": ["external_id": "n2"], "tags": ["vip": "very"]],
          ]
        ])
      #expect(answer.status == 200)
      let results = try #require(answer.json["results"]?.arrayValue)
      #expect(results.map { $0["status"]?.intValue } == [201, 422, 200, 422, 200, 422])
      #expect(results.map { $0["index"]?.intValue } == [0, 1, 2, 3, 4, 5])
      #expect(results[1]["problem"]?["pointer"] == "/users/1/identities/email")
      #expect(results[5]["problem"]?["pointer"] == "/users/5/tags/vip")
      #expect(results[0]["id"] == results[4]["id"])
      let user = try await api.call(.get, "/v1/users/external_id:n1")
      #expect(user.json["attributes"] == ["b": [1, 2]])
      #expect(user.json["tags"] == ["vip": true])
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
    }
  }

  @Test("claimed by many at once are made once")
  func race() async throws {
    try await PeopleAPI.with { api in
      let ids = try await withThrowingTaskGroup(of: String?.self) { group in
        for n in 0..<24 {
          group.addTask {
            let identities: JSONValue =
              n % 2 == 0
              ? ["external_id": "u", "email": "u@example.com"]
              : ["email": "u@example.com", "external_id": "u", "device_id": "d"]
            return try await api.call(.post, "/v1/users", ["identities": identities])
              .json["id"]?.stringValue
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(ids).count == 1 && ids.first != .some(nil))
      #expect(try await api.count("SELECT count(*) FROM users") == 1)
      #expect(try await api.count("SELECT count(*) FROM identities") == 3)
    }
  }

  @Test("crossing batches neither deadlock nor make a user twice")
  func crossing() async throws {
    try await PeopleAPI.with { api in
      let names = (0..<200).map { "u\($0)" }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for n in 0..<6 {
          group.addTask {
            let order = n % 2 == 0 ? names : names.reversed()
            let answer = try await api.call(
              .post, "/v1/users/batch",
              [
                "users": .array(
                  order.map {
                    ["identities": ["external_id": .string($0)], "attributes": ["n": .int(n)]]
                  })
              ])
            let statuses = Set(
              answer.json["results"]?.arrayValue?.compactMap { $0["status"]?.intValue } ?? [])
            #expect(answer.status == 200 && statuses.isSubset(of: [200, 201]))
          }
        }
        try await group.waitForAll()
      }
      #expect(try await api.count("SELECT count(*) FROM users") == 200)
    }
  }

  @Test("are patched, and only at the version expected")
  func patch() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["x": 1, "y": 2], "locale": "en"])
      let etag = try await api.call(.get, "/v1/users/external_id:a").headers["etag"] ?? ""
      let patched = try await api.call(
        .patch, "/v1/users/external_id:a",
        [
          "attributes": ["x": .null, "z": 3], "locale": .null,
          "identities": ["email": "a@example.com"],
        ],
        headers: ["if-match": etag])
      #expect(patched.status == 200)
      #expect(patched.json["attributes"] == ["y": 2, "z": 3])
      #expect(patched.json["locale"] == .null)
      #expect(patched.json["identities"] == ["external_id": "a", "email": "a@example.com"])
      let stale = try await api.call(
        .patch, "/v1/users/external_id:a", ["attributes": ["x": 1]], headers: ["if-match": etag])
      #expect(stale.status == 412)
      let second = try await api.call(
        .patch, "/v1/users/external_id:a", ["identities": ["external_id": "b"]])
      #expect(second.status == 409)
      #expect(try await api.call(.patch, "/v1/users/external_id:no", [:]).status == 404)
    }
  }

  @Test("are listed oldest first, by tag and time, page by page")
  func list() async throws {
    try await PeopleAPI.with { api in
      for n in 0..<5 {
        try await api.call(
          .post, "/v1/users",
          [
            "identities": ["external_id": .string("u\(n)")],
            "tags": n % 2 == 0 ? ["even": true] : [:],
          ],
          now: PeopleAPI.now.addingTimeInterval(Double(n))
        ).discard()
      }
      func names(_ answer: PeopleAPI.Answer) -> [String] {
        answer.json["data"]?.arrayValue?.compactMap {
          $0["identities"]?["external_id"]?.stringValue
        } ?? []
      }
      let first = try await api.call(.get, "/v1/users?limit=2")
      #expect(names(first) == ["u0", "u1"])
      let next = try #require(first.json["next"]?.stringValue)
      #expect(first.headers["link"]?.contains("rel=\"next\"") ?? false)
      let second = try await api.call(.get, "/v1/users?limit=3&after=\(next)")
      #expect(names(second) == ["u2", "u3", "u4"])
      #expect(second.json["next"] == .null)
      #expect(names(try await api.call(.get, "/v1/users?tag=even")) == ["u0", "u2", "u4"])
      let instant = PeopleAPI.now.addingTimeInterval(2).rfc3339
      #expect(
        names(try await api.call(.get, "/v1/users?created_after=\(instant)")) == ["u3", "u4"])
      #expect(try await api.call(.get, "/v1/users?tag=unknown").status == 404)
      #expect(try await api.call(.get, "/v1/users?after=nonsense").status == 400)
    }
  }

  @Test("show analysts that there are values, not which")
  func analyst() async throws {
    try await PeopleAPI.with { api in
      try await api.call(.post, "/v1/users", Self.example).discard()
      let seen = try await api.call(
        .get, "/v1/users/external_id:u-77", as: PeopleAPI.caller(.analyst))
      for secret in ["13800138000", "li@example.com", "李雷", "1984", "abc"] {
        #expect(!seen.text.contains(secret), "\(secret)")
      }
      #expect(seen.json["attributes"]?["city"] == "杭州")
    }
  }

  @Test("a push token lives with one user only")
  func token() async throws {
    try await PeopleAPI.with { api in
      let devices: JSONValue = [["platform": "ios", "token": "t", "provider": "apns"]]
      try await api.user("a", ["devices": devices])
      try await api.user("b", ["devices": devices])
      let a = try await api.call(.get, "/v1/users/external_id:a")
      #expect(a.json["devices"]?.arrayValue?.first?["state"] == "dead")
      #expect(a.json["reachable"]?.arrayValue?.contains("push") == false)
    }
  }

  @Test("the kinds of identities in Swift are those of the table")
  func kinds() async throws {
    try await PeopleAPI.with { api in
      let rows = try await api.db.read { db in
        try db.query("SELECT key, priority, multiple, on_conflict FROM identity_kinds").map { row in
          "\(try row.get("key", as: String.self)) \(try row.get("priority", as: Int.self)) \(try row.get("multiple", as: Bool.self)) \(try row.get("on_conflict", as: String.self))"
        }
      }
      let declared = IdentityKind.all.map {
        "\($0.key) \($0.priority) \($0.multiple) \($0.onConflict.rawValue)"
      }
      #expect(Set(rows) == Set(declared))
    }
  }
}

extension PeopleAPI.Answer {
  /// For calls whose answer does not matter.
  func discard() {}
}
