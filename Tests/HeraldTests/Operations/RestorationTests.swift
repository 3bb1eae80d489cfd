import Foundation
import Logging
import Postgres
import Testing

@testable import Herald

@Suite("A database that came back from a backup")
struct RestorationTests {
  private let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

  /// `body` gets a directory for marks.
  private func withScene(_ body: (ReportScene, URL) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory
      .appendingPathComponent("herald-marks-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try await ReportScene.with { scene in try await body(scene, directory) }
  }

  private func stops(_ scene: ReportScene) async throws -> [String] {
    try await scene.db.read { try StopStore.list(in: $0).map { "\($0.scope) \($0.reason ?? "-")" } }
  }

  private func flagged(_ scene: ReportScene) async throws -> Int {
    try await scene.db.read {
      try $0.one("SELECT count(*) AS n FROM deliveries WHERE possibly_duplicate")?.get("n") ?? -1
    }
  }

  private func goBack(_ scene: ReportScene) async throws {
    try await scene.execute("UPDATE handover_mark SET n = n - 1")
  }

  @Test("the mark moves at most once a second, and a database with its mark is none that came back")
  func mark() async throws {
    try await withScene { scene, directory in
      let mark = HandoverMark(directory: directory)
      for _ in 0..<5 { try await mark.advance(in: scene.db, logger: logger) }
      let reading = try await scene.db.read { try HandoverMarkStore.read(in: $0) }
      #expect(reading.count == 1)
      let next = HandoverMark(directory: directory)
      #expect(next.highest(of: reading.installation) == 1)
      #expect(try await !Restorations(db: scene.db, mark: next).detect(now: ReportScene.now))
      #expect(try await stops(scene).isEmpty)
      #expect(next.highest(of: UUID()) == nil)
    }
  }

  @Test("a database behind its mark is stopped at the start, its queue flagged, and only once")
  func start() async throws {
    try await withScene { scene, directory in
      try await scene.inFlight(sender: "main", channel: "sms")
      try await HandoverMark(directory: directory).advance(in: scene.db, logger: logger)
      try await goBack(scene)
      let mark = HandoverMark(directory: directory)
      let restorations = Restorations(db: scene.db, mark: mark)
      #expect(try await restorations.detect(now: ReportScene.now))
      #expect(try await stops(scene) == ["all restored"])
      #expect(try await flagged(scene) == 1)
      #expect(try await !restorations.detect(now: ReportScene.now))
      // Another process, whose mark is a little behind or ahead, does not take it for a second one.
      #expect(
        try await !Restorations(db: scene.db, mark: HandoverMark(directory: directory))
          .detect(now: ReportScene.now))
    }
  }

  @Test("processes that start while others hand over take nothing for a restoration")
  func beside() async throws {
    try await withScene { scene, directory in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            for _ in 0..<100 {
              let mark = HandoverMark(directory: directory)
              let restorations = Restorations(db: scene.db, mark: mark)
              #expect(try await !restorations.detect(now: ReportScene.now))
              try await mark.advance(in: scene.db, logger: logger)
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await stops(scene).isEmpty)
    }
  }

  @Test("a process that kept running finds out before its next hand-over")
  func running() async throws {
    try await withScene { scene, _ in
      let mark = HandoverMark(directory: nil)
      try await mark.advance(in: scene.db, logger: logger)
      try await goBack(scene)
      try await Task.sleep(for: HandoverMark.interval)
      try await mark.advance(in: scene.db, logger: logger)
      #expect(try await stops(scene) == ["all restored"])
    }
  }

  @Test("the API does not lift this stop; the command does, and what waited is due")
  func resume() async throws {
    try await withScene { scene, directory in
      try await scene.inFlight(sender: "main", channel: "sms")
      try await scene.execute("UPDATE queue SET due_at = 'infinity'")
      let stops = Stops(db: scene.db)
      _ = try await stops.stop(
        nil, reason: "storm", by: ReportScene.admin, now: ReportScene.now)
      let restorations = Restorations(db: scene.db, mark: HandoverMark(directory: directory))
      #expect(try await restorations.begin(now: ReportScene.now) == 1)
      await #expect {
        try await stops.start(nil, by: ReportScene.admin, now: ReportScene.now)
      } throws: {
        ($0 as? HeraldError)?.code == .wrongState
      }
      let end = try await restorations.resume(now: ReportScene.now)
      #expect(end == .resumedOver("it was stopped before by han.meimei: storm"))
      #expect(try await self.stops(scene).isEmpty)
      let due = try await scene.db.read {
        try $0.one("SELECT due_at FROM queue")?.get("due_at", as: Date.self)
      }
      #expect(due == ReportScene.now)
      #expect(try await restorations.resume(now: ReportScene.now) == .notStopped)
    }
  }

  @Test("resume leaves a stop by somebody alone")
  func others() async throws {
    try await withScene { scene, directory in
      _ = try await Stops(db: scene.db).stop(
        nil, reason: "restored", by: ReportScene.admin, now: ReportScene.now)
      let restorations = Restorations(db: scene.db, mark: HandoverMark(directory: directory))
      #expect(try await restorations.resume(now: ReportScene.now) == .notStopped)
      #expect(try await stops(scene) == ["all restored"])
    }
  }

  @Test("what a run under way begins later is flagged too, and a launch that was due before")
  func later() async throws {
    try await withScene { scene, directory in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      try await scene.plan("late", ReportScene.document(steps: ["first"]), state: "approved")
      try await scene.execute("UPDATE plan_versions SET launch_at = \(ReportScene.now)")
      let people = ReportScene.people(3)
      try await scene.users(people)
      let run = try await scene.run(of: "hello", people: people, state: "entering", lanes: 0)
      let mark = HandoverMark(directory: directory)
      let after = ReportScene.now.addingTimeInterval(60)
      _ = try await Restorations(db: scene.db, mark: mark).begin(now: after)
      try await scene.db.write { tx in
        let entry = EnrolmentStore.Entry(
          run: try RunStore.load(run, in: tx),
          firstStep: PlanDocument.Successor(id: "first", kind: .send),
          priority: 50, audience: nil,
          draw: EntryDraw(
            holdout: Holdout(scope: "x", buckets: 0, globalBuckets: 0), variants: nil),
          race: nil, closed: nil)
        try EnrolmentStore.enter(entry, lanes: Array(0..<64), now: after, in: tx)
      }
      #expect(try await flagged(scene) == 3)
      let restored = try await scene.db.write { tx in
        let launched = try RunStore.insert(
          UUID(), plan: "late", version: 1, occurrence: "once", now: after, in: tx)
        #expect(launched != nil)
        try tx.execute("UPDATE plan_versions SET launch_at = \(after.addingTimeInterval(1))")
        let fresh = try RunStore.insert(
          UUID(), plan: "late", version: 1, occurrence: "again", now: after, in: tx)
        #expect(fresh != nil)
        return try tx.query(
          "SELECT restored FROM runs WHERE plan = 'late' ORDER BY occurrence DESC"
        )
        .map { try $0.get(0, as: Bool.self) }
      }
      #expect(restored == [true, false])
    }
  }
}
