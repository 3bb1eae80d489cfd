import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

/// A key that sees a part of the users cannot widen that part, nor reach out of it.
@Suite("Keys with a user scope")
struct ScopeGroundTests {
  private static func scene(
    _ scope: JSONValue,
    _ body: (HeraldInProcess, _ admin: String, _ dealer: String) async throws -> Void
  ) async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "li.lei")
      _ = try await herald.call(
        .put, "/v1/tags/in_a",
        ["name": "In A", "category": "custom", "rule": ["attribute": "store", "eq": "A"]],
        key: admin)
      _ = try await herald.call(
        .put, "/v1/segments/store_a",
        [
          "name": "A", "condition": ["any": [["attribute": "store", "eq": "A"], ["tag": "in_a"]]],
        ],
        key: admin)
      _ = try await herald.user("a-1", ["attributes": ["store": "A", "points": 60]], key: admin)
      _ = try await herald.user("a-2", ["attributes": ["store": "A", "points": 60]], key: admin)
      _ = try await herald.user("b-1", ["attributes": ["store": "B", "points": 1]], key: admin)
      let dealer = try await herald.key(.admin, "dealer", scope: .stored(scope))
      try await body(herald, admin, dealer)
    }
  }

  @Test("may not change what scopes are told by", arguments: ["segment", "tag"])
  func ground(by kind: String) async throws {
    try await Self.scene(kind == "tag" ? ["tag": "in_a"] : ["segment": "store_a"]) {
      herald, admin, dealer in
      let everybody: JSONValue = ["attribute": "store", "exists": true]
      let (wider, tag): (JSONValue, JSONValue) = (
        ["name": "A", "condition": everybody],
        ["name": "In A", "category": "custom", "rule": everybody]
      )
      if kind == "segment" {
        #expect(
          try await herald.call(.put, "/v1/segments/store_a", wider, key: dealer).status == 403)
        #expect(
          try await herald.call(.delete, "/v1/segments/store_a", key: dealer).status == 403)
      }
      // The segment names the tag.
      let refused = try await herald.call(.put, "/v1/tags/in_a", tag, key: dealer)
      #expect(refused.status == 403)
      #expect(refused.json["detail"]?.stringValue?.contains("in_a") == true)
      #expect(try await herald.call(.delete, "/v1/tags/in_a", key: dealer).status == 403)
      // Others are theirs to make, and who sees everybody may change those.
      #expect(
        try await herald.call(.put, "/v1/segments/mine", wider, key: dealer).status == 201)
      #expect(try await herald.call(.put, "/v1/tags/mine", tag, key: dealer).status == 201)
      #expect(try await herald.call(.put, "/v1/tags/in_a", tag, key: admin).status == 200)
    }
  }

  @Test("may not take a device from somebody outside")
  func devices() async throws {
    try await Self.scene(["attribute": "store", "eq": "A"]) { herald, admin, dealer in
      let phone: JSONValue = ["platform": "ios"]
      func put(_ user: String, _ key: String) async throws -> Int {
        try await herald.call(
          .put, "/v1/users/external_id:\(user)/devices/apns/token-b", phone, key: key
        ).status
      }
      #expect(try await put("b-1", admin) == 201)
      #expect(try await put("a-1", dealer) == 403)
      let upsert = try await herald.call(
        .post, "/v1/users",
        [
          "identities": ["external_id": "a-1"],
          "devices": [["provider": "apns", "token": "token-b", "platform": "ios"]],
        ], key: dealer)
      #expect(upsert.status == 403)
      #expect(
        try await herald.count("SELECT count(*) FROM devices WHERE state = 'active'") == 1)
      #expect(try await put("a-1", admin) == 201)
      #expect(try await put("a-2", dealer) == 201)
    }
  }

  @Test("may not merge or part people so that somebody leaves their sight")
  func merges() async throws {
    try await Self.scene(["attribute": "points", "lte": 100]) { herald, admin, dealer in
      _ = try await herald.call(
        .put, "/v1/attributes/points", ["type": "number", "merge": "sum"], key: admin)
      let merge = try await herald.call(
        .post, "/v1/users/external_id:a-1/merge", ["from": "external_id:a-2"], key: dealer)
      #expect(merge.status == 403, "\(merge.json)")
      #expect(
        try await herald.call(
          .post, "/v1/users/external_id:a-1/merge", ["from": "external_id:b-1"], key: dealer
        ).status == 200)
    }
  }

  @Test("may revoke only keys that see no more than they do")
  func revoking() async throws {
    try await Self.scene(["attribute": "store", "eq": "A"]) { herald, admin, dealer in
      func mint(_ maker: String, _ name: String) async throws -> String {
        let body: JSONValue = [
          "name": "k", "role": "operator", "principal": .string(name),
          "user_scope": ["attribute": "points", "gte": 1],
        ]
        return try await herald.call(.post, "/v1/keys", body, key: maker).json["id"]?.stringValue
          ?? ""
      }
      let (others, own) = (try await mint(admin, "wang"), try await mint(dealer, "zhao"))
      #expect(try await herald.call(.delete, "/v1/keys/\(others)", key: dealer).status == 403)
      #expect(try await herald.call(.delete, "/v1/keys/\(own)", key: dealer).status == 204)
    }
  }

  @Test("see violations of nobody known only where all keys of the principal see the same")
  func violations() async throws {
    try await Self.scene(["attribute": "store", "eq": "A"]) { herald, _, dealer in
      try await herald.execute(
        """
        INSERT INTO violations (id, at, source, principal, code, pointer, detail, stored, payload,
          payload_bytes)
        VALUES (gen_random_uuid(), now(), 'api', 'dealer', 'required', '', '', false, '{}', 2)
        """)
      func seen() async throws -> Int? {
        try await herald.call(.get, "/v1/violations", key: dealer).json["data"]?.arrayValue?.count
      }
      #expect(try await seen() == 1)
      _ = try await herald.key(.ingest, "dealer")
      #expect(try await seen() == 0)
    }
  }
}
