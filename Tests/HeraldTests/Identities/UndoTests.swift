import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Undoing a merge")
struct UndoTests {
  private func user(_ api: PeopleAPI, _ ref: String) async throws -> JSONValue {
    let answer = try await api.call(.get, "/v1/users/\(ref)")
    #expect(answer.status == 200)
    return answer.json
  }

  private func put(
    _ api: PeopleAPI, _ identities: JSONValue, _ more: JSONObject = [:], after seconds: Double = 0
  ) async throws {
    var body: JSONObject = ["identities": identities]
    for (key, value) in more { body[key] = value }
    let answer = try await api.call(
      .post, "/v1/users", .object(body), now: PeopleAPI.now.addingTimeInterval(seconds))
    #expect([200, 201].contains(answer.status), "\(answer.text)")
  }

  private func event(_ api: PeopleAPI, _ user: JSONValue, _ name: String) async throws {
    let answer = try await api.call(
      .post, "/v1/events", ["events": [["user": user, "name": .string(name)]]])
    #expect(answer.json["accepted"] == 1)
  }

  private func names(_ api: PeopleAPI, _ ref: String) async throws -> Set<String> {
    let timeline = try await api.call(.get, "/v1/users/\(ref)/timeline?limit=200")
    return Set(
      timeline.json["data"]?.arrayValue?.compactMap { $0["data"]?["name"]?.stringValue } ?? [])
  }

  private func undo(_ api: PeopleAPI, _ merge: JSONValue?) async throws -> PeopleAPI.Answer {
    try await api.call(.post, "/v1/merges/\(merge?["id"]?.stringValue ?? "")/undo")
  }

  @Test("each has again what they had, and what came in on their identities since")
  func parted() async throws {
    try await PeopleAPI.with { api in
      _ = try await api.call(.put, "/v1/attributes/points", ["merge": "sum"])
      try await put(
        api, ["external_id": "a"],
        ["attributes": ["city": "杭州", "points": 10], "tags": ["tier": "gold"]])
      try await put(
        api, ["phone": "+8613800138000"],
        [
          "attributes": ["city": "上海", "points": 5], "tags": ["tier": "silver"],
          "consents": ["sms": "granted"],
        ], after: 10)
      try await event(api, ["external_id": "a"], "a_before")
      try await event(api, ["phone": "+8613800138000"], "p_before")
      let old = try await user(api, "phone:%2B8613800138000")
      let merge = try await api.call(
        .post, "/v1/users/external_id:a/merge", ["from": "phone:+8613800138000"]
      ).json
      try await event(api, ["external_id": "a"], "a_after")
      try await event(api, ["phone": "+8613800138000"], "p_after")
      try await put(
        api, ["phone": "+8613800138000", "email": "p@example.com"],
        ["attributes": ["age": 30, "points": 18], "tags": ["vip": true]], after: 20)
      try await put(
        api, ["external_id": "a"], ["attributes": ["city": "北京"], "consents": ["sms": "denied"]],
        after: 30)
      #expect(try await user(api, "external_id:a")["attributes"]?["points"] == 18)

      #expect(try await undo(api, merge).status == 200)
      let a = try await user(api, "external_id:a")
      let p = try await user(api, "phone:%2B8613800138000")
      #expect(p["id"] == old["id"] && a["id"] != p["id"])
      #expect(a["attributes"] == ["city": "北京", "points": 10])
      #expect(p["attributes"] == ["city": "上海", "points": 8, "age": 30])
      #expect(a["tags"] == ["tier": "gold"])
      #expect(p["tags"] == ["tier": "silver", "vip": true])
      #expect(a["consents"] == ["sms": "denied"] && p["consents"] == ["sms": "granted"])
      #expect(a["identities"] == ["external_id": "a"])
      #expect(p["identities"] == ["phone": "+8613800138000", "email": "p@example.com"])
      #expect(try await names(api, "external_id:a") == ["a_before", "a_after"])
      #expect(try await names(api, "email:p@example.com") == ["p_before", "p_after"])
    }
  }

  @Test("a merge in the middle of a chain takes its own branch with it, and no other")
  func branch() async throws {
    try await PeopleAPI.with { api in
      for value in ["a", "b", "c", "d"] {
        try await put(api, ["anonymous_id": .string(value)], ["attributes": [value: 1]])
        try await event(api, ["anonymous_id": .string(value)], "by_\(value)")
      }
      func merge(_ one: String, _ other: String) async throws -> JSONValue {
        try await api.call(
          .post, "/v1/users/anonymous_id:\(one)/merge", ["from": "anonymous_id:\(other)"]
        ).json
      }
      // The older survives: b goes into a, d into c, then c into a.
      _ = try await merge("a", "b")
      _ = try await merge("c", "d")
      let middle = try await merge("a", "c")
      #expect(try await names(api, "anonymous_id:d") == ["by_a", "by_b", "by_c", "by_d"])
      #expect(try await undo(api, middle).status == 200)
      for ref in ["anonymous_id:a", "anonymous_id:b"] {
        #expect(try await names(api, ref) == ["by_a", "by_b"])
        #expect(try await user(api, ref)["attributes"] == ["a": 1, "b": 1])
      }
      for ref in ["anonymous_id:c", "anonymous_id:d"] {
        #expect(try await names(api, ref) == ["by_c", "by_d"])
        #expect(try await user(api, ref)["attributes"] == ["c": 1, "d": 1])
      }
      #expect(try await undo(api, middle).status == 409)
    }
  }

  @Test("who was parted by a person is not merged again by their identities")
  func stays() async throws {
    try await PeopleAPI.with { api in
      try await put(api, ["external_id": "a"])
      try await put(api, ["anonymous_id": "x"])
      try await event(api, ["external_id": "a", "anonymous_id": "x"], "logged_in")
      let merge = try await api.call(.get, "/v1/merges").json["data"]?.arrayValue?.first
      let x = merge?["merged"]?.stringValue ?? ""
      #expect(try await undo(api, merge).status == 200)
      try await event(api, ["external_id": "a", "anonymous_id": "x"], "logged_in_again")
      #expect(try await user(api, x)["id"]?.stringValue == x)
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
      let again = try await api.call(.post, "/v1/users/external_id:a/merge", ["from": .string(x)])
      #expect(again.status == 200)
      #expect(try await api.count("SELECT count(*) FROM users") == 1)
    }
  }
}
