import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("An alias")
struct TrackingAliasTests {
  private func conflicts(_ scene: TrackingScene) async throws -> [JSONValue] {
    let answer = try await scene.herald.call(
      .get, "/v1/identity-conflicts?state=open", key: scene.reader)
    return answer.json["data"]?.arrayValue ?? []
  }

  @Test(
    "of a user's id is a conflict for a person, who joins the two",
    arguments: [["old", "new"], ["new", "old"]], [true, false])
  func users(ids: [String], inOneBatch: Bool) async throws {
    try await TrackingScene.with { scene in
      let (old, new) = (ids[0], ids[1])
      let first: [JSONValue] = [
        ["type": "identify", "userId": .string(old), "traits": ["city": "杭州"]],
        ["type": "track", "userId": .string(new), "event": "seen"],
      ]
      let alias: [JSONValue] = [
        ["type": "alias", "previousId": .string(old), "userId": .string(new)]
      ]
      if inOneBatch {
        try await scene.batch(first + alias)
      } else {
        try await scene.batch(first)
        try await scene.batch(alias)
        try await scene.batch(alias)
      }
      let conflict = try #require(try await conflicts(scene).first)
      #expect(try await conflicts(scene).count == 1)
      #expect(conflict["kind"] == "external_id")
      #expect(
        conflict["identities"]?["external_id"] == [.string(new), .string(old)])
      #expect(try await scene.herald.count("SELECT count(*) FROM users") == 2)
      // The name was a user's, and is no visitor's.
      #expect(
        try await scene.herald.count(
          "SELECT count(*) FROM identities WHERE kind = 'anonymous_id'") == 0)
      let names = try await scene.events(of: "external_id:\(new)").map { $0["data"]?["name"] }
      #expect(names.contains("$alias"))
      let id = conflict["id"]?.stringValue ?? ""
      let settled = try await scene.herald.call(
        .post, "/v1/identity-conflicts/\(id)/resolve", ["decision": "merge"], key: scene.reader)
      #expect(settled.status == 200)
      let one = try await scene.user("external_id:\(old)")
      let other = try await scene.user("external_id:\(new)")
      #expect(one["id"] == other["id"])
      #expect(one["attributes"] == ["city": "杭州"])
    }
  }

  @Test("to a user not seen before leaves the old one as they are")
  func unknown() async throws {
    try await TrackingScene.with { scene in
      try await scene.batch([["type": "track", "userId": "old", "event": "seen"]])
      try await scene.batch([["type": "alias", "previousId": "old", "userId": "new"]])
      #expect(try await conflicts(scene).count == 1)
      let old = try await scene.user("external_id:old")
      let new = try await scene.user("external_id:new")
      #expect(old["id"] != new["id"])
    }
  }

  @Test("of a name that a user and a visitor have joins the visitor only")
  func both() async throws {
    try await TrackingScene.with { scene in
      try await scene.batch([
        ["type": "track", "userId": "n", "event": "bought"],
        ["type": "track", "anonymousId": "n", "event": "viewed"],
        ["type": "alias", "previousId": "n", "userId": "u"],
      ])
      let names = try await scene.events(of: "external_id:u").map { $0["data"]?["name"] }
      #expect(Set(names.compactMap { $0?.stringValue }) == ["viewed", "$alias"])
      #expect(try await conflicts(scene).count == 1)
    }
  }
}
