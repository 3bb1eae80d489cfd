import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Recurring crowds") struct RecurringTests {
  private static func plan(_ more: String = #""zone": "Asia/Shanghai""#) -> String {
    CampaignScene.triggered(#"{"segment": "crowd", "cron": "0 10 * * *", \#(more)}"#)
  }

  private static func occurrences(_ scene: CampaignScene) async throws -> [String] {
    try await scene.herald.app.db.read { db in
      try db.query(
        "SELECT occurrence || coalesce(' ' || state_reason, '') AS o FROM runs ORDER BY 1"
      ).map { try $0.get("o") }
    }
  }

  @Test("each occurrence has one run, however many processes look; the end is inclusive")
  func processes() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(6)
      try await scene.launch(
        Self.plan(#""zone": "Asia/Shanghai", "until": "2026-11-24T02:00:00Z""#))
      let other = try HeraldInProcess(
        pool: TestDatabase.current.pool, clock: scene.herald.clock, channel: scene.herald.channel)
      for _ in 0..<80 {
        scene.herald.clock.advance(by: 3600)
        async let mine: Void = scene.herald.app.dispatcher.drain()
        async let theirs: Void = other.app.dispatcher.drain()
        _ = try await (mine, theirs)
      }
      #expect(
        try await Self.occurrences(scene) == [
          "2026-11-22T10:00@Asia/Shanghai", "2026-11-23T10:00@Asia/Shanghai",
          "2026-11-24T10:00@Asia/Shanghai",
        ])
      #expect(scene.sent.count == 18)
      #expect(try await scene.people() == "targeted 18, finished 18")
      #expect(try await scene.states() == ["completed"])
    }
  }

  /// Runs with their versions.
  private static func versions(_ scene: CampaignScene) async throws -> [String] {
    try await scene.herald.app.db.read { db in
      try db.query("SELECT plan_version || ' ' || occurrence AS o FROM runs ORDER BY started_at")
        .map { try $0.get("o") }
    }
  }

  /// A daily plan that is live, and after it a version that ends some day, approved at an instant;
  /// `looked`: whether anybody was at work when the occurrence between them came.
  private static func takeOver(
    _ scene: CampaignScene, at instant: String, looked: Bool,
    _ later: String = plan(#""zone": "Asia/Shanghai", "until": "2026-11-30T00:00:00Z""#)
  ) async throws {
    try scene.at("2026-11-22T00:00:00Z")
    try await scene.people(2)
    try await scene.launch(plan())
    try scene.at("2026-11-22T02:00:00Z")
    if looked { try await scene.drain() }
    try scene.at(instant)
    try await scene.launch(later)
  }

  @Test(
    "an occurrence before a version takes over is carried out once, by the one that was live then",
    arguments: [("2026-11-22T02:00:00.700Z", true), ("2026-11-22T02:20:00Z", false)])
  func takenOver(_ instant: String, _ looked: Bool) async throws {
    try await CampaignScene.with { scene in
      try await Self.takeOver(scene, at: instant, looked: looked)
      try await scene.drain(1, 86_400)
      #expect(
        try await Self.versions(scene) == [
          "1 2026-11-22T10:00@Asia/Shanghai", "2 2026-11-23T10:00@Asia/Shanghai",
        ])
      #expect(scene.sent.count == 4)
    }
  }

  @Test("a version that opens a moment after its approval leaves what the earlier one carried out")
  func openedLater() async throws {
    try await CampaignScene.with { scene in
      let daily = #"{"segment": "crowd", "cron": "0 10 * * *", "zone": "Asia/Shanghai"}"#
      try await Self.takeOver(
        scene, at: "2026-11-22T02:00:00.300Z", looked: true,
        CampaignScene.triggered(daily, #""window": {"from": "2026-11-22T02:00:00.900Z"}"#))
      try await scene.drain()
      try scene.at("2026-11-22T02:00:00.900Z")
      try await scene.drain(1, 86_400)
      #expect(
        try await Self.versions(scene) == [
          "1 2026-11-22T10:00@Asia/Shanghai", "2 2026-11-23T10:00@Asia/Shanghai",
        ])
    }
  }

  @Test("what the last occurrence of a version was is not the first of the next one")
  func overAndAgain() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(2)
      try await scene.launch(
        Self.plan(#""zone": "Asia/Shanghai", "until": "2026-11-22T02:00:00Z""#))
      try scene.at("2026-11-22T02:00:00Z")
      try await scene.drain()
      #expect(try await scene.states() == ["completed"])
      try scene.at("2026-11-22T02:00:00.400Z")
      try await scene.launch(Self.plan())
      try await scene.drain(1, 86_400)
      #expect(
        try await Self.versions(scene) == [
          "1 2026-11-22T10:00@Asia/Shanghai", "2 2026-11-23T10:00@Asia/Shanghai",
        ])
    }
  }

  @Test("a plan that is cancelled carries out nothing of an earlier version any more")
  func cancelledAfterwards() async throws {
    try await CampaignScene.with { scene in
      try await Self.takeOver(scene, at: "2026-11-22T02:20:00Z", looked: false)
      let answer = try await scene.herald.call(.post, "/v1/plans/hello/cancel", key: scene.admin)
      try #require(answer.status == 200)
      try await scene.drain(1)
      #expect(scene.sent == [])
      #expect(try await Self.versions(scene) == [])
    }
  }

  @Test("a crowd that the earlier version would refuse is missed, and does not pause the later one")
  func refusedLate() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(2)
      let daily = #"{"segment": "crowd", "cron": "0 10 * * *", "zone": "Asia/Shanghai"}"#
      try await scene.launch(CampaignScene.triggered(daily, #""limits": {"audience": 2}"#))
      let third = try await scene.herald.call(
        .post, "/v1/users", ["identities": ["external_id": "u-2"], "attributes": ["n": 2]],
        key: scene.admin)
      try #require(third.status == 201)
      try scene.at("2026-11-22T02:20:00Z")
      try await scene.launch(CampaignScene.triggered(daily, #""limits": {"audience": 3}"#))
      try await scene.drain(1)
      #expect(try await Self.occurrences(scene) == ["2026-11-22T10:00@Asia/Shanghai missed"])
      #expect(try await scene.states() == ["live", "superseded"])
    }
  }

  @Test("by their own clocks, people of each zone get theirs in a run of its own")
  func zones() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(4) { n, user in
        if n > 0 {
          user["time_zone"] = .string(["", "Europe/Berlin", "Europe/Paris", "America/New_York"][n])
        }
      }
      try await scene.launch(Self.plan(#""zone": "user""#))
      try await scene.drain(2 * 3600)
      #expect(scene.sent == ["u-0 push Hi 用户0"])
      try await scene.drain(7 * 3600 - 60)
      #expect(scene.sent.count == 1)
      try await scene.drain(60)
      #expect(scene.sent.count == 3)
      try await scene.drain(6 * 3600)
      #expect(scene.sent.count == 4)
      #expect(
        try await Self.occurrences(scene) == [
          "2026-11-22T10:00@America/New_York", "2026-11-22T10:00@Asia/Shanghai",
          "2026-11-22T10:00@Europe/Berlin", "2026-11-22T10:00@Europe/Paris",
        ])
      #expect(try await scene.states() == ["live"])
    }
  }

  @Test("whose zone is not known gets theirs by the clocks of their telephone's region")
  func telephones() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      // Of a region with several zones it says nothing; a zone of one's own counts for more.
      let phones = ["+8613800138000", "+819012345678", "+12025550123", "+919812345678"]
      try await scene.people(4) { n, user in
        user["identities"] = ["external_id": .string("u-\(n)"), "phone": .string(phones[n])]
        if n == 3 { user["time_zone"] = "Europe/Paris" }
      }
      try await scene.launch(Self.plan(#""zone": "user""#))
      try await scene.drain(3600)
      #expect(scene.sent == ["u-1 push Hi 用户1"])
      try await scene.drain(3600)
      #expect(Set(scene.sent) == ["u-0 push Hi 用户0", "u-1 push Hi 用户1", "u-2 push Hi 用户2"])
      try await scene.drain(7 * 3600)
      #expect(scene.sent.contains("u-3 push Hi 用户3"))
      #expect(scene.sent.count == 4)
      #expect(try await scene.people() == "targeted 4, finished 4")
    }
  }

  @Test("what was missed is recorded; the latest is made up for within an hour")
  func missed() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(2)
      try await scene.launch(Self.plan())
      try await scene.drain()
      try scene.at("2026-11-24T02:59:00Z")
      try await scene.drain()
      #expect(
        try await Self.occurrences(scene) == [
          "2026-11-22T10:00@Asia/Shanghai missed", "2026-11-23T10:00@Asia/Shanghai missed",
          "2026-11-24T10:00@Asia/Shanghai",
        ])
      #expect(scene.sent.count == 2)
      try scene.at("2026-11-25T03:01:00Z")
      try await scene.drain()
      #expect(scene.sent.count == 2)
      #expect(try await Self.occurrences(scene).last == "2026-11-25T10:00@Asia/Shanghai missed")
      #expect(try await scene.people() == "targeted 2, finished 2")
      let runs = try await scene.accounting()["runs"]?.arrayValue ?? []
      #expect(runs.count == 4 && runs.count { $0["reason"] == "missed" } == 3)
      #expect(runs.first { $0["reason"] == .null }?["people"]?["targeted"] == 2)
    }
  }

  @Test("while paused nothing fires; cancelled, nothing comes any more")
  func steering() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(1)
      try await scene.launch(Self.plan())
      _ = try await scene.herald.call(.post, "/v1/plans/hello/pause", key: scene.admin)
      try await scene.drain(3 * 3600 + 1)
      #expect(scene.sent == [])
      _ = try await scene.herald.call(.post, "/v1/plans/hello/resume", key: scene.admin)
      try await scene.drain(0, 23 * 3600)
      #expect(scene.sent.count == 1)
      _ = try await scene.herald.call(.post, "/v1/plans/hello/cancel", key: scene.admin)
      try await scene.drain(86_400, 86_400)
      #expect(scene.sent.count == 1)
    }
  }

  @Test("segments with a cron are counted once per occurrence by all processes together")
  func refreshes() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(3)
      for n in 0..<3 {
        try await scene.put(
          "segments/s\(n)",
          [
            "name": "S", "condition": ["attribute": "n", "gte": .int(n)],
            "refresh": ["cron": "0 3 * * *", "zone": "Asia/Shanghai"],
          ])
      }
      let other = try HeraldInProcess(
        pool: TestDatabase.current.pool, clock: scene.herald.clock, channel: scene.herald.channel)
      for _ in 0..<3 {
        scene.herald.clock.advance(by: 86_400)
        let now = scene.herald.clock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
          for app in [scene.herald.app, other.app] {
            let segments = Segments(db: app.db)
            group.addTask { while try await segments.refreshDue(now: now) {} }
          }
          try await group.waitForAll()
        }
      }
      #expect(try await scene.herald.count("SELECT count(*) FROM segment_refreshes") == 9)
      #expect(
        try await scene.herald.count(
          "SELECT sum(size)::bigint FROM segments WHERE size IS NOT NULL")
          == 6)
      let segment = try await scene.herald.call(.get, "/v1/segments/s1", key: scene.admin)
      #expect(segment.json["refreshed_at"] == .instant(scene.herald.clock.now))
    }
  }
}
