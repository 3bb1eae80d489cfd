import Foundation
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

/// One who reads a stream.
private final class Viewer: Sendable {
  private let text = Mutex("")
  let limit: Int

  /// Gone after so many writes.
  init(limit: Int = .max) { self.limit = limit }

  struct Gone: Error {}

  var writer: ResponseWriter {
    let left = Mutex(limit)
    return ResponseWriter { [self] bytes in
      let isGone = left.withLock { left in
        left -= 1
        return left < 0
      }
      if isGone { throw Gone() }
      text.withLock { $0 += String(decoding: bytes, as: UTF8.self) }
    }
  }

  var heard: String { text.withLock { $0 } }

  /// Of every `live` event.
  var snapshots: [JSONValue] {
    heard.split(separator: "\n").filter { $0.hasPrefix("data: ") }
      .compactMap { try? JSONScanner.parse(Array($0.dropFirst(6).utf8)) }
      .filter { $0["plan"] != nil }
  }

  var end: String? {
    heard.firstMatch(of: /event: end\ndata: \{"reason":"([a-z]+)"\}\n\n$/).map { String($0.1) }
  }
}

@Suite("Watching a plan") struct LiveFeedTests {
  private static func feeds(
    _ scene: CampaignScene, _ change: (inout LiveFeeds.Settings) -> Void = { _ in }
  ) -> LiveFeeds {
    var settings = LiveFeeds.Settings()
    settings.interval = .milliseconds(100)
    change(&settings)
    return LiveFeeds(
      db: scene.herald.app.db, settings: settings, projectSettings: { ProjectSettings() },
      now: { scene.herald.clock.now })
  }

  private static func watch(
    _ feeds: LiveFeeds, _ viewer: Viewer, scope: JSONValue? = nil, longest: Duration? = nil,
    isWelcome: @escaping @Sendable () async -> Bool = { true }
  ) async throws {
    let caller = Caller(
      keyID: UUID(), principal: "p", role: .analyst, userScope: try scope.map { try .stored($0) })
    try await feeds.stream(
      "hello", for: caller, longest: longest, to: viewer.writer, isWelcome: isWelcome)
  }

  @Test("shows people, deliveries and the last refusals, and ends when the plan is over")
  func over() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(6) { n, user in
        if n < 2 { user["consents"] = ["push": "denied"] }
        user["attributes"] = ["brand": .string(n == 0 ? "A" : "B")]
      }
      scene.herald.channel.reply {
        $0.externalID == "u-5"
          ? .rejected(reason: "no_such_token", addressDead: false) : .sent(providerID: nil)
      }
      try await scene.launch(PlanText.plan())
      try await scene.drain()
      let viewer = Viewer()
      try await Self.watch(Self.feeds(scene), viewer)
      #expect(viewer.end == "over")
      #expect(viewer.heard.hasPrefix("retry: 2000\n\nid: 1\nevent: live\ndata: {"))
      let live = try #require(viewer.snapshots.first)
      #expect(viewer.snapshots.count == 1)
      #expect(live["state"] == "completed")
      #expect(live["people"]?["finished"] == 6)
      #expect(live["deliveries"]?["sent"] == 3)
      #expect(live["deliveries"]?["failed"] == 1)
      #expect(live["deliveries"]?["skipped"] == 2)
      let refusals = live["refusals"]?.arrayValue ?? []
      #expect(Set(refusals.map { $0["reason"]?.stringValue }) == ["no_such_token", "denied"])
      #expect(refusals.first { $0["reason"] == "denied" }?["count"] == 2)
      let dealer = Viewer()
      try await Self.watch(
        Self.feeds(scene), dealer, scope: ["attribute": "brand", "eq": "A"])
      #expect(dealer.snapshots.first?["deliveries"]?["skipped"] == 1)
      #expect(dealer.snapshots.first?["deliveries"]?["sent"] == 0)
    }
  }

  @Test("a hundred viewers cost no more looks at the database than one, and no thread each")
  func cost() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.draft(PlanText.plan())
      let feeds = Self.feeds(scene)
      let viewers = (0..<100).map { _ in Viewer() }
      func threads() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
      }
      let before = try threads()
      let most = try await withThrowingTaskGroup(of: Void.self) { group in
        for viewer in viewers {
          group.addTask { try await Self.watch(feeds, viewer, longest: .seconds(1)) }
        }
        var most = 0
        for _ in 0..<10 {
          try await Task.sleep(for: .milliseconds(50))
          most = max(most, try threads())
        }
        try await group.waitForAll()
        return most
      }
      #expect(viewers.allSatisfy { $0.end == "renew" && $0.snapshots.count == 1 })
      // One a tenth of a second at the most.
      #expect(feeds.looks <= 12)
      #expect(feeds.looks >= 1)
      #expect(feeds.viewers == 0)
      // Other tests run beside this one.
      #expect(most - before < 80)
    }
  }

  @Test("ends at once when the server stops, and for a key that is no longer good")
  func ends() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let feeds = Self.feeds(scene) { $0.recheck = .milliseconds(50) }
      let turnedAway = Viewer()
      try await Self.watch(feeds, turnedAway) { false }
      #expect(turnedAway.end == "revoked")
      let viewer = Viewer()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await Self.watch(feeds, viewer) }
        while viewer.snapshots.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        feeds.close()
        try await group.waitForAll()
      }
      #expect(viewer.end == "stopping")
      let late = Viewer()
      try await Self.watch(feeds, late)
      #expect(late.heard == "retry: 2000\n\nevent: end\ndata: {\"reason\":\"stopping\"}\n\n")
    }
  }

  @Test("who goes is forgotten with the next word to them, and a heartbeat is such a word")
  func gone() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      let feeds = Self.feeds(scene) { $0.heartbeat = .milliseconds(50) }
      let patient = Viewer(limit: 4)
      await #expect(throws: Viewer.Gone.self) { try await Self.watch(feeds, patient) }
      #expect(patient.heard.components(separatedBy: ": nothing new\n\n").count == 3)
      #expect(feeds.viewers == 0)
    }
  }

  @Test("is for readers, of plans there are, as many as the server bears")
  func refused() async throws {
    try await CampaignScene.with { scene in
      try await scene.draft(PlanText.plan())
      func status(_ path: String, _ key: String?) async throws -> Int {
        try await scene.herald.call(.get, "/v1/plans/\(path)", key: key).status
      }
      #expect(try await status("none/live", scene.admin) == 404)
      #expect(try await status("hello/live", nil) == 401)
      #expect(try await status("hello/live", scene.herald.key(.ingest, "shop")) == 403)
      #expect(try await status("hello/live?seconds=0", scene.admin) == 400)
      let answer = try await scene.herald.call(
        .get, "/v1/plans/hello/live?seconds=1", key: scene.admin)
      #expect(answer.headers["content-type"] == "text/event-stream")
      #expect(String(decoding: answer.bytes, as: UTF8.self).contains("\"reason\":\"renew\""))
      let feeds = Self.feeds(scene) { $0.viewers = 0 }
      await #expect { try await feeds.open("hello") } throws: {
        ($0 as? HeraldError)?.code == .throttled
      }
      let late = Viewer()
      try await Self.watch(feeds, late)
      #expect(late.end == "busy")
    }
  }
}

@Suite("Stopping while it runs") struct StoppingTests {
  private static let paced: JSONValue = [
    "channel": "push", "adapter": "record", "config": ["idempotent": true],
    "pace": ["per_second": 100],
  ]

  @Test(
    "no hand-over begins a second after the answer, in either of two dispatchers",
    arguments: ["plans/hello/pause", "stop"])
  func stops(_ path: String) async throws {
    try await CampaignScene.with { scene in
      try await scene.put("senders/gw-push", Self.paced)
      try await scene.people(600)
      let other = try HeraldInProcess(
        pool: scene.herald.app.db.pool, clock: scene.herald.clock, channel: RecordingChannel())
      try await scene.launch(PlanText.plan())
      var sent: Int { scene.herald.channel.messages.count + other.channel.messages.count }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for app in [scene.herald.app, other.app] {
          group.addTask { await app.dispatcher.run(wake: app.wake) }
        }
        while sent < 50 { try await Task.sleep(for: .milliseconds(5)) }
        let answer = try await scene.herald.call(.post, "/v1/\(path)", key: scene.author)
        #expect(answer.status == 200)
        let before = sent
        let inFlight = try #require(answer.json["in_flight"]?.intValue)
        try await Task.sleep(for: .seconds(1))
        let settled = sent
        #expect(settled < 600, "the run was over too early")
        #expect(settled - before <= inFlight + 100, "more left than were said to be out")
        try await Task.sleep(for: .seconds(1))
        #expect(sent == settled)
        group.cancelAll()
      }
      #expect(try await scene.accounting()["balanced"] == true)
    }
  }
}
