import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Dispatch: what wakes it")
struct WakingTests {
  /// A dispatcher that would sleep for an hour unless it is woken.
  private func dispatching(
    people: Int = 3, _ body: @escaping @Sendable (CrashScene) async throws -> Void
  ) async throws {
    var settings = DispatchSettings()
    settings.pollInterval = .seconds(3600)
    try await CrashScene.with(people: people, safe: true, dispatch: settings) { scene in
      let work = Task { await scene.app.dispatcher.run(wake: scene.app.wake) }
      let result: Result<Void, any Error>
      do { result = .success(try await body(scene)) } catch { result = .failure(error) }
      work.cancel()
      await work.value
      try result.get()
    }
  }

  /// Fails after two minutes.
  private func eventually(
    _ what: String, _ look: () async throws -> Bool
  ) async throws {
    let deadline = ContinuousClock.now + .seconds(120)
    while try await !look() {
      guard .now < deadline else {
        Issue.record("it did not happen that \(what)")
        return
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  private func isOver(_ scene: CrashScene) async throws -> Bool {
    try await scene.text("SELECT state FROM runs") == "completed"
  }

  @Test("an approval is launched and dispatched at once, and every step after the other")
  func approval() async throws {
    try await dispatching { scene in
      try await scene.put(steps: ["hello", "second", "third"])
      try await scene.approve()
      try await eventually("all three steps are over") {
        try await scene.ends() == ["sent": 9]
      }
    }
  }

  @Test("so is what was paused, stopped or failed, when it is resumed, started or retried")
  func others() async throws {
    try await dispatching { scene in
      let isOut = Mutex(0)
      scene.script.reply { _ in
        isOut.withLock { $0 += 1 }
        return .rejected(reason: "gone", addressDead: false)
      }
      try await scene.call(.post, "/v1/stop", ["reason": "wait"])
      try await scene.approve()
      try await eventually("everybody has entered") {
        try await scene.text("SELECT count(*)::text FROM queue") == "3"
      }
      #expect(scene.script.calls.isEmpty)
      try await scene.call(.post, "/v1/start")
      try await eventually("all have failed") { try await scene.ends() == ["failed gone": 3] }
      scene.script.reply { _ in .sent(providerID: nil) }
      try await scene.call(.post, "/v1/plans/p/retry", ["status": "failed"])
      try await eventually("all are sent") { try await scene.ends() == ["sent": 3] }
    }
  }

  @Test("a pause that ends")
  func resumption() async throws {
    try await dispatching { scene in
      try await scene.call(.post, "/v1/stop", ["reason": "wait"])
      try await scene.approve()
      try await eventually("everybody has entered") {
        try await scene.text("SELECT count(*)::text FROM queue") == "3"
      }
      try await scene.call(.post, "/v1/plans/p/pause", ["reason": "wait"])
      try await scene.call(.post, "/v1/start")
      try await eventually("what was found paused is parked") {
        try await scene.text("SELECT count(*)::text FROM queue WHERE due_at = 'infinity'") == "3"
      }
      try await scene.call(.post, "/v1/plans/p/resume")
      try await eventually("all are sent") { try await scene.ends() == ["sent": 3] }
    }
  }

  @Test("one look shares out all lanes to the workers, and a few rows of many lanes are one batch")
  func lanes() async throws {
    try await dispatching(people: 64) { scene in
      let goOn = Mutex(false)
      scene.script.reply { _ in
        while !goOn.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(2)) }
        return .sent(providerID: nil)
      }
      try await scene.call(.post, "/v1/stop", ["reason": "wait"])
      try await scene.approve()
      try await eventually("everybody has entered") {
        try await scene.text("SELECT count(*)::text FROM queue") == "64"
      }
      try await scene.execute(
        """
        UPDATE queue q SET lane = n.lane FROM (
          SELECT delivery_id, row_number() OVER (ORDER BY delivery_id) - 1 AS lane FROM queue) AS n
        WHERE n.delivery_id = q.delivery_id
        """)
      try await scene.call(.post, "/v1/start")
      try await eventually("four workers hold sixteen lanes each") {
        try await scene.text(
          """
          SELECT string_agg(n::text, ' ') FROM (
            SELECT count(DISTINCT lane) AS n FROM queue WHERE lease IS NOT NULL GROUP BY lease) AS h
          """) == "16 16 16 16"
      }
      goOn.withLock { $0 = true }
      try await eventually("all are sent") { try await scene.ends() == ["sent": 64] }
    }
  }
}
