import Postgres
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct DryRunTests {
  /// One person of a segment that ends with a day, and a plan for it.
  private static func prepare(_ scene: ReportScene) async throws {
    let now = ReportScene.now
    try await scene.execute(
      """
      INSERT INTO users (id, attributes, created_at, updated_at)
      VALUES (gen_random_uuid(), '{"since": "2025-12-01T20:00:00Z"}', \(now), \(now))
      """)
    try await scene.execute(
      """
      INSERT INTO templates (key, channel, content, on_missing, created_at, updated_at)
      VALUES ('hi', 'push', '{"title": "Hi", "body": "Hi"}', 'default', \(now), \(now))
      """)
    try await scene.execute(
      """
      INSERT INTO senders (key, channel, adapter, config, weight, concurrency, timeout_seconds,
        created_at, updated_at)
      VALUES ('gateway', 'push', 'file', '{}', 10, 32, 10, \(now), \(now))
      """)
    _ = try await Segments(db: scene.db).put(
      Segment(
        key: "crowd", name: "Crowd",
        condition: ["attribute": "since", "before": "2025-12-02"], refresh: .live),
      expecting: nil, by: ReportScene.admin, now: now)
    _ = try await Plans(db: scene.db).put(
      "p", ReportScene.document(steps: ["hello"], holdout: 0), expecting: nil,
      by: ReportScene.admin, now: now)
  }

  private static func audience(_ scene: ReportScene) async throws -> Int? {
    let settings = Settings(db: scene.db)
    return try await Approvals(db: scene.db, settings: { try await settings.current() })
      .dryRun(plan: "p", by: ReportScene.admin, now: ReportScene.now)["audience"]?.intValue
  }

  @Test("days are those of the zone in the settings, as at the launch")
  func zone() async throws {
    try await ReportScene.with { scene in
      try await Self.prepare(scene)
      // In Shanghai the second of December has begun by then.
      #expect(try await Self.audience(scene) == 0)
      var settings = ProjectSettings()
      settings.timeZone = "UTC"
      try await scene.db.write { [settings] tx in
        try SettingsStore.save(settings, version: 1, now: ReportScene.now, in: tx)
      }
      #expect(try await Self.audience(scene) == 1)
    }
  }

  @Test("submitting without a draft says what to do next")
  func noDraft() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("over", ReportScene.document(steps: ["hello"]), state: "completed")
      let error = await #expect(throws: HeraldError.self) {
        try await Approvals(db: scene.db)
          .submit(plan: "over", comment: nil, by: ReportScene.admin, now: ReportScene.now)
      }
      #expect(error?.code == .wrongState)
      #expect(error?.message.contains("another key") == true)
    }
  }
}
