import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Suppressions and devices")
struct SuppressionTests {
  @Test("an address is added, found, holds, and is let go again by an admin")
  func list() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "zhao.min")
      let writer = try await herald.key(.operator, "li.lei")
      let added = try await herald.call(
        .post, "/v1/suppressions",
        [
          "addresses": ["phone:138 0013 8000", "email:nobody", "token:apns:abc", 7],
          "reason": "complained",
        ], key: writer)
      let results = added.json["results"]?.arrayValue
      #expect(results?.map { $0["status"]?.intValue } == [201, 422, 201, 422])
      let again = try await herald.call(
        .post, "/v1/suppressions", ["addresses": ["phone:+8613800138000"]], key: writer)
      #expect(again.json["results"]?.arrayValue?.map { $0["status"]?.intValue } == [200])
      let id = try #require(results?.first?["id"]?.stringValue)
      let found = try await herald.call(
        .get, "/v1/suppressions/phone:%2B8613800138000", key: writer)
      #expect(found.json["id"] == .string(id))
      #expect(found.json["reason"] == "complained")
      let phones = try await herald.call(.get, "/v1/suppressions?kind=phone", key: writer)
      #expect(phones.json["data"]?.arrayValue?.count == 1)

      let user = try await herald.call(
        .post, "/v1/users",
        [
          "identities": ["external_id": "u-1", "phone": "+8613800138000"],
          "consents": ["sms": "granted"],
        ], key: writer)
      #expect(user.json["reachable"]?.arrayValue?.contains("sms") == false)
      let path = "/v1/suppressions/\(id)"
      #expect(try await herald.call(.delete, path, key: writer).status == 403)
      #expect(try await herald.call(.delete, path, key: admin).status == 204)
      #expect(try await herald.call(.delete, path, key: admin).status == 404)
      let free = try await herald.call(.get, "/v1/users/external_id:u-1", key: writer)
      #expect(free.json["reachable"]?.arrayValue?.contains("sms") == true)
    }
  }

  @Test("a device is registered, dies, moves to another person and is forgotten")
  func devices() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      for user in ["u-1", "u-2"] { try await herald.user(user, key: key) }
      func path(_ user: String) -> String { "/v1/users/external_id:\(user)/devices" }
      let token = "fcm/a:b%2Fc".replacing("a:b", with: "a%3Ab")
      let put = try await herald.call(
        .put, "\(path("u-1"))/\(token)", ["platform": "android"], key: key)
      #expect(put.status == 201)
      #expect(put.json["token"] == "a:b/c")
      #expect(put.json["state"] == "active")
      let dead = try await herald.call(
        .put, "\(path("u-1"))/\(token)", ["platform": "android", "state": "dead"], key: key)
      #expect(dead.status == 200)
      #expect(dead.json["state"] == "dead")
      try await herald.call(
        .put, "\(path("u-1"))/\(token)", ["platform": "android"], key: key
      ).discard()
      try await herald.call(
        .put, "\(path("u-2"))/\(token)", ["platform": "android"], key: key
      ).discard()
      let first = try await herald.call(.get, path("u-1"), key: key)
      #expect(first.json["data"]?.arrayValue?.map { $0["state"] } == ["dead"])
      #expect(
        try await herald.call(.delete, "\(path("u-2"))/\(token)", key: key).status == 204)
      #expect(
        try await herald.call(.delete, "\(path("u-2"))/\(token)", key: key).status == 404)
      let second = try await herald.call(.get, path("u-2"), key: key)
      #expect(second.json["data"] == [])
    }
  }
}
