import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// Whatever way something comes in on one of two merged users, it is theirs again after an undo.
@Suite("What came in on a merged user goes back by an undo")
struct UndoneWritesTests {
  private static let later = PeopleAPI.now.addingTimeInterval(60)

  /// Users `a` and `b`, merged, then written to, then parted again.
  private func parted(
    _ write: (PeopleAPI) async throws -> Void,
    _ judge: (_ a: JSONValue, _ b: JSONValue, PeopleAPI) async throws -> Void
  ) async throws {
    try await PeopleAPI.with { api in
      try await api.user("a", ["attributes": ["city": "杭州"]])
      _ = try await api.call(.post, "/v1/users", ["identities": ["email": "b@example.com"]])
      _ = try await api.call(.put, "/v1/tags/vip", ["name": "VIP", "category": "order"])
      let merge = try await api.call(
        .post, "/v1/users/external_id:a/merge", ["from": "email:b@example.com"])
      try await write(api)
      let undo = try await api.call(
        .post, "/v1/merges/\(merge.json["id"]?.stringValue ?? "")/undo", now: Self.later)
      #expect(undo.status == 200)
      try await judge(
        try await api.call(.get, "/v1/users/external_id:a", now: Self.later).json,
        try await api.call(.get, "/v1/users/email:b@example.com", now: Self.later).json, api)
    }
  }

  @Test("also when one batch brings writes of both")
  func batch() async throws {
    try await parted { api in
      let answer = try await api.call(
        .post, "/v1/users/batch",
        [
          "users": [
            ["identities": ["external_id": "a"], "attributes": ["x": 1], "tags": ["tier": "gold"]],
            ["identities": ["email": "b@example.com"], "attributes": ["y": 2, "city": "杭州"]],
            ["identities": ["external_id": "a"], "attributes": ["z": ["$increment": 3]]],
          ]
        ])
      #expect(
        answer.json["results"]?.arrayValue?.map { $0["status"]?.intValue } == [200, 200, 200])
      let whole = try await api.call(.get, "/v1/users/external_id:a")
      #expect(whole.json["attributes"] == ["city": "杭州", "x": 1, "y": 2, "z": 3])
    } _: { a, b, _ in
      #expect(a["attributes"] == ["city": "杭州", "x": 1, "z": 3])
      #expect(a["tags"] == ["tier": "gold"])
      #expect(b["attributes"] == ["y": 2, "city": "杭州"] && b["tags"] == [:])
    }
  }

  @Test("also when one request brings events of both")
  func events() async throws {
    try await parted { api in
      func event(_ user: JSONValue, _ attributes: JSONValue) -> JSONValue {
        ["user": user, "name": "x", "attributes": attributes]
      }
      let answer = try await api.call(
        .post, "/v1/events",
        [
          "events": [
            event(["email": "b@example.com"], ["n": ["$increment": 2], "city": .null]),
            event(["external_id": "a"], ["n": ["$increment": 3]]),
            event(["email": "b@example.com"], ["m": 1]),
          ]
        ])
      #expect(answer.json["accepted"] == 3)
    } _: { a, b, _ in
      // 'newest': the last word on it was a's.
      #expect(a["attributes"] == ["city": "杭州", "n": 5])
      #expect(b["attributes"] == ["n": 2, "m": 1])
    }
  }

  @Test("also tags in bulk")
  func tags() async throws {
    try await parted { api in
      _ = try await api.call(.put, "/v1/tags/other", ["name": "Other", "category": "order"])
      for (tag, users) in [
        ("vip", ["email:b@example.com"]), ("other", ["external_id:a", "email:b@example.com"]),
      ] {
        let answer = try await api.call(
          .post, "/v1/tags/\(tag)/users", ["add": .array(users.map(JSONValue.string))])
        #expect(answer.json["add"]?.arrayValue?.allSatisfy { $0["status"] == 200 } == true)
      }
      _ = try await api.call(
        .post, "/v1/tags/other/users", ["remove": ["external_id:a"]])
    } _: { a, b, _ in
      #expect(a["tags"] == [:])
      #expect(b["tags"] == ["vip": true, "other": true])
    }
  }

  @Test("also devices")
  func devices() async throws {
    try await parted { api in
      let devices = Devices(db: api.db)
      for (ref, token) in [("email:b@example.com", "t-b"), ("external_id:a", "t-a")] {
        _ = try await devices.put(
          Device(provider: "apns", token: token, platform: "ios"), of: try UserRef(text: ref),
          by: PeopleAPI.caller(), now: PeopleAPI.now)
      }
    } _: { a, b, _ in
      func tokens(_ user: JSONValue) -> [String?]? {
        user["devices"]?.arrayValue?.map { $0["token"]?.stringValue }
      }
      #expect(tokens(a) == ["t-a"] && tokens(b) == ["t-b"])
    }
  }
}
