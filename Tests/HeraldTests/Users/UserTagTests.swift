import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Tags on users")
struct UserTagTests {
  @Test("are set, changed and taken away")
  func put() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a")
      try await api.call(
        .put, "/v1/tags/tier",
        ["name": "Tier", "category": "order", "type": "choice", "choices": ["gold", "silver"]]
      ).discard()
      let path = "/v1/users/external_id:a/tags/tier"
      let created = try await api.call(.put, path, ["value": "gold"])
      #expect(created.status == 201 && created.json["value"] == "gold")
      #expect(try await api.call(.put, path, ["value": "silver"]).status == 200)
      let wrong = try await api.call(.put, path, ["value": "bronze"])
      #expect(wrong.status == 422 && wrong.json["pointer"] == "/value")
      #expect(try await api.call(.put, path, nil).status == 422)
      #expect(try await api.call(.put, "/v1/users/external_id:a/tags/none", nil).status == 404)
      #expect(try await api.call(.put, "/v1/users/external_id:b/tags/tier", nil).status == 404)
      #expect(
        try await api.call(.get, "/v1/users/external_id:a").json["tags"] == ["tier": "silver"])
      #expect(try await api.call(.delete, path).status == 204)
      #expect(try await api.call(.delete, path).status == 404)
    }
  }

  @Test("end at their expiry, or after the tag's ttl")
  func expiry() async throws {
    try await PeopleAPI.with { api in
      try await api.user("a")
      try await api.call(
        .put, "/v1/tags/hot", ["name": "Hot", "category": "behaviour", "ttl": "1h"]
      )
      .discard()
      let set = try await api.call(.put, "/v1/users/external_id:a/tags/hot")
      #expect(set.json["expires_at"] == .instant(PeopleAPI.now.addingTimeInterval(3600)))
      let later = PeopleAPI.now.addingTimeInterval(3601)
      #expect(
        try await api.call(.get, "/v1/users/external_id:a", now: later).json["tags"] == [:])
      let past = try await api.call(
        .put, "/v1/users/external_id:a/tags/hot",
        ["expires_at": .instant(PeopleAPI.now.addingTimeInterval(-1))])
      #expect(past.status == 422)
    }
  }

  @Test("of many users are answered one by one")
  func bulk() async throws {
    try await PeopleAPI.with { api in
      for name in ["a", "b", "c"] { try await api.user(name) }
      try await api.call(.put, "/v1/tags/vip", ["name": "VIP", "category": "order"]).discard()
      try await api.call(.put, "/v1/users/external_id:c/tags/vip").discard()
      let answer = try await api.call(
        .post, "/v1/tags/vip/users",
        [
          "add": ["external_id:a", "external_id:no", "b", "external_id:b"],
          "remove": ["external_id:c"],
        ])
      #expect(answer.status == 200)
      #expect(
        answer.json["add"]?.arrayValue?.map { $0["status"]?.intValue } == [200, 404, 422, 200])
      #expect(answer.json["add"]?.arrayValue?[2]["problem"]?["pointer"] == "/add/2")
      let tagged = try await api.call(.get, "/v1/users?tag=vip")
      #expect(
        tagged.json["data"]?.arrayValue?.map { $0["identities"]?["external_id"] } == ["a", "b"])
    }
  }
}
