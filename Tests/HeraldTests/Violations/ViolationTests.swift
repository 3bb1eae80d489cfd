import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Violations")
struct ViolationTests {
  private func fill(_ scene: TrackingScene, _ count: Int) async throws {
    for number in 0..<count {
      try await scene.send("/v1/track", ["userId": .string("u-\(number)")])
      scene.herald.clock.advance(by: 60)
    }
  }

  @Test("are listed newest first, page by page, by what they are asked for")
  func listing() async throws {
    try await TrackingScene.with { scene in
      let start = scene.now
      try await fill(scene, 5)
      let first = try await scene.herald.call(.get, "/v1/violations?limit=2", key: scene.reader)
      let next = try #require(first.json["next"]?.stringValue)
      let second = try await scene.violations("?limit=10&after=\(next)")
      let payloads = ((first.json["data"]?.arrayValue ?? []) + second).map {
        $0["payload"]?.stringValue
      }
      #expect(payloads == (0..<5).reversed().map { #"{"userId":"u-\#($0)"}"# })
      #expect(try await scene.violations("?code=required&source=tracking").count == 5)
      #expect(try await scene.violations("?code=other").isEmpty)
      #expect(try await scene.violations("?stored=true").isEmpty)
      let since = start.addingTimeInterval(150).rfc3339
      #expect(try await scene.violations("?since=\(since)").count == 2)
      #expect(try await scene.violations("?until=\(since)").count == 3)
      let bad = try await scene.herald.call(
        .get, "/v1/violations?stored=perhaps", key: scene.reader)
      #expect(bad.status == 400)
    }
  }

  @Test("show no payload to an analyst, and nothing to a write key")
  func roles() async throws {
    try await TrackingScene.with { scene in
      try await fill(scene, 1)
      let analyst = try await scene.herald.key(.analyst, "han")
      let masked = try await scene.herald.call(.get, "/v1/violations", key: analyst)
      #expect(masked.json["data"]?.arrayValue?.first?["payload"] == .some(.null))
      let own = try await scene.herald.call(.get, "/v1/violations", key: scene.writeKey)
      #expect(own.status == 403)
    }
  }

  @Test("are forgotten after a month")
  func retention() async throws {
    try await TrackingScene.with { scene in
      try await fill(scene, 2)
      let violations = Violations(db: scene.herald.app.db)
      try await violations.prune(now: scene.now.addingTimeInterval(29 * 86_400))
      #expect(try await scene.violations().count == 2)
      try await violations.prune(now: scene.now.addingTimeInterval(30 * 86_400 - 90))
      #expect(try await scene.violations().count == 1)
    }
  }

  @Test("are kept to the newest when there are too many")
  func cap() async throws {
    try await TrackingScene.with { scene in
      try await fill(scene, 5)
      try await scene.herald.app.db.pool.write { tx in
        try ViolationStore.prune(before: .distantPast, keeping: 2, in: tx)
      }
      let left = try await scene.violations().map { $0["payload"]?.stringValue }
      #expect(left == [#"{"userId":"u-4"}"#, #"{"userId":"u-3"}"#])
    }
  }

  @Test("of a person go when the person is erased")
  func erasure() async throws {
    try await TrackingScene.with { scene in
      try await scene.send(
        "/v1/identify", ["userId": "someone", "traits": ["email": "li@example.com"]])
      try await scene.send("/v1/track", ["userId": "someone"])
      try await scene.send("/v1/track", ["traits": ["email": "LI@example.com"]])
      try await scene.send("/v1/track", ["userId": "someone-else-entirely"])
      try await scene.send("/v1/track", ["userId": "another"])
      #expect(try await scene.violations().count == 4)
      let erased = try await scene.herald.call(
        .delete, "/v1/users/external_id:someone", key: scene.reader)
      #expect(erased.status == 204)
      // Rather one too many than one too few.
      #expect(try await scene.violations().map { $0["payload"] } == [#"{"userId":"another"}"#])
    }
  }
}
