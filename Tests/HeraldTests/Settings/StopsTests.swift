import Conditions
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct StopsTests {
  private static let caller = ReportScene.admin
  private static let now = ReportScene.now

  @Test("a stop says what is stopped and counts what is out, by channel too")
  func stop() async throws {
    try await ReportScene.with { scene in
      try await scene.inFlight(sender: "main", channel: "sms")
      let stops = Stops(db: scene.db)
      let push = try await stops.stop(.push, reason: "x", by: Self.caller, now: Self.now)
      #expect(push.stopped == ["channel:push"])
      #expect(push.inFlight == 0)
      let sms = try await stops.stop(.sms, reason: nil, by: Self.caller, now: Self.now)
      #expect(sms.stopped == ["channel:push", "channel:sms"])
      #expect(sms.inFlight == 1)
      let all = try await stops.stop(nil, reason: nil, by: Self.caller, now: Self.now)
      #expect(all.stopped == ["all", "channel:push", "channel:sms"])
      #expect(all.inFlight == 1)
    }
  }

  @Test("a start lifts one stop, leaves the others, and makes parked work due")
  func start() async throws {
    try await ReportScene.with { scene in
      try await scene.inFlight(sender: "main", channel: "sms")
      try await scene.execute("UPDATE queue SET due_at = 'infinity'")
      let stops = Stops(db: scene.db)
      _ = try await stops.stop(nil, reason: nil, by: Self.caller, now: Self.now)
      _ = try await stops.stop(.sms, reason: nil, by: Self.caller, now: Self.now)
      let left = try await stops.start(nil, by: Self.caller, now: Self.now)
      #expect(left.stopped == ["channel:sms"])
      let due = try await scene.db.read {
        try $0.one("SELECT due_at FROM queue")?.get("due_at", as: Date.self)
      }
      #expect(due == Self.now)
    }
  }

  @Test("only what changes something is audited")
  func audited() async throws {
    try await ReportScene.with { scene in
      let stops = Stops(db: scene.db)
      _ = try await stops.start(nil, by: Self.caller, now: Self.now)
      _ = try await stops.stop(nil, reason: "storm", by: Self.caller, now: Self.now)
      _ = try await stops.stop(nil, reason: "again", by: Self.caller, now: Self.now)
      _ = try await stops.start(nil, by: Self.caller, now: Self.now)
      let actions = try await scene.db.read {
        try $0.query("SELECT action FROM audit_entries ORDER BY id").map {
          try $0.get(0, as: String.self)
        }
      }
      #expect(actions == ["dispatch.stopped", "dispatch.started"])
    }
  }

  @Test("a key that sees some users only may not turn the switch")
  func scoped() async throws {
    try await ReportScene.with { scene in
      let scope = try Condition.stored(["attribute": "shop", "eq": "a"])
      let caller = Caller(keyID: UUID(), principal: "shop", role: .admin, userScope: scope)
      let stops = Stops(db: scene.db)
      await #expect { try await stops.stop(nil, reason: nil, by: caller, now: Self.now) } throws: {
        ($0 as? HeraldError)?.code == .forbidden
      }
    }
  }
}

extension ReportScene {
  /// One delivery handed over to a sender, its worker alive.
  func inFlight(sender: String, channel: String) async throws {
    try await plan("hello", Self.document(steps: ["first"]))
    let people = Self.people(1)
    let run = try await run(of: "hello", people: people)
    try await deliver(people, in: run, step: "first", "pending")
    try await queue(run)
    try await execute(
      """
      INSERT INTO senders (key, channel, adapter, config, weight, concurrency, timeout_seconds,
        created_at, updated_at)
      VALUES (\(sender), \(channel), 'http', '{}', 1, 1, 10, \(Self.now), \(Self.now))
      """)
    try await execute(
      """
      UPDATE queue SET sender = \(sender), handed_over_at = clock_timestamp(),
        leased_until = clock_timestamp() + interval '1 minute'
      """)
  }
}
