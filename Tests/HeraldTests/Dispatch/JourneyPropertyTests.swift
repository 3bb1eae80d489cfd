import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

/// Random journeys, random events, and workers that vanish at every place they can.
@Suite("Journeys of any form", .timeLimit(.minutes(5))) struct JourneyPropertyTests {
  private static let events = ["bought", "opened_app", "left"]
  private static let people = 8

  /// A plan of up to eight steps that is good as it stands.
  private static func plan(_ random: inout SeededRandom) throws -> String {
    while true {
      let count = 2 + random.below(7)
      let steps = (0..<count).map { step($0, of: count, &random) }
      let goal = random.chance(50)
      let text = PlanText.plan(
        #"""
        "goals": [{"stage": "convert", "event": "bought", "within": "2d"}],
        "exit": {"on_goal": \#(goal), "on_leaving_audience": \#(random.chance(30))},
        "audience": {"not": {"tag": "s1"}}
        """#, steps: steps.joined(separator: ","))
      if try PlanText.faults(of: text).isEmpty { return text }
    }
  }

  private static func step(_ index: Int, of count: Int, _ random: inout SeededRandom) -> String {
    func target(_ random: inout SeededRandom) -> String {
      let place = index + 1 + random.below(count - index)
      return place < count ? "s\(place)" : "end"
    }
    let id = #""id": "s\#(index)""#
    let event = random.pick(events)
    switch random.below(9) {
    case 0, 1: return PlanText.step("s\(index)", PlanText.push)
    case 2: return #"{\#(id), "wait": "\#(1 + random.below(30))h"}"#
    case 3: return #"{\#(id), "wait_until": {"at": "1\#(random.below(10)):30"}}"#
    case 4:
      return #"""
        {\#(id), "wait_until": {"event": "\#(event)", "timeout": "\#(1 + random.below(40))h",
          "since": "\#(random.pick(["entry", "step"]))"},
         "then": "\#(target(&random))", "else": "\#(target(&random))"}
        """#
    case 5:
      return #"""
        {\#(id), "branch": [{"if": {"condition": {"event": "\#(event)"}},
          "then": "\#(target(&random))"},
          {"if": {"condition": {"attribute": "n", "gte": 4}}, "then": "\#(target(&random))"}]}
        """#
    case 6: return #"{\#(id), "split": [{"share": 0.5, "then": "\#(target(&random))"}]}"#
    case 7: return #"{\#(id), "tag": {"add": "s\#(index)"}}"#
    default: return #"{\#(id), "exit": {"reason": "enough"}}"#
    }
  }

  private struct Kill: Error {}

  /// A worker that claims a lane and vanishes: before it looks, before it commits, or with messages
  /// in its hands.
  private func kill(_ scene: CampaignScene, _ random: inout SeededRandom) async throws {
    let db = scene.herald.app.db
    let now = scene.herald.clock.now
    let due = try await db.read { try QueueStore.dueLanes(counting: 1, now: now, in: $0) }
    guard let lane = due.first?.lane else { return }
    let lease = Lease(lanes: [lane], seconds: 30)
    let entries = try await db.dispatch { tx in
      try QueueStore.claim(lease, limit: 3, now: now, in: tx)
    }
    let preparation = Preparation(
      plans: ApprovedPlans(), senders: scene.herald.app.senders, health: SenderHealth(),
      settings: DispatchSettings(), project: ProjectSettings(), now: now, lease: lease)
    switch random.below(3) {
    case 0: break
    case 1:
      do {
        try await db.dispatch { tx -> Void in
          _ = try preparation.run(entries, in: tx)
          throw Kill()
        }
      } catch is Kill {}
    default: _ = try await db.dispatch { tx in try preparation.run(entries, in: tx).count }
    }
    try await scene.herald.execute(
      """
      UPDATE queue SET leased_until = clock_timestamp() - interval '1 s', claims = 0
      WHERE lease IS NOT NULL
      """)
  }

  @Test("nobody is lost, doubled or stuck, and the books balance at any instant", arguments: 0..<6)
  func anything(round: Int) async throws {
    let seed = SeededRandom.seed &+ UInt64(round)
    var random = SeededRandom(seed: seed)
    let text = try Self.plan(&random)
    try await CampaignScene.with { scene in
      try await scene.put("tags/s1", ["name": "s1", "category": "custom", "type": "flag"])
      try await scene.people(Self.people)
      try await scene.launch(text)
      for _ in 0..<25 {
        switch random.below(10) {
        case 0, 1, 2:
          try await scene.event(
            random.pick(Self.events), by: random.below(Self.people),
            ago: Double(random.below(7200)))
        case 3, 4, 5: try await kill(scene, &random)
        case 6, 7: try await scene.drain(Double(random.below(20_000)))
        default: try await scene.drain()
        }
        try #require(
          try await scene.accounting()["balanced"] == true, "seed \(seed): \(text)")
      }
      try await scene.finish(every: 12 * 3600, most: 60)
      try #require(
        try await scene.people(of: "hello")["active"] == 0, "stuck, seed \(seed): \(text)")
      #expect(try await scene.states() == ["completed"], "seed \(seed)")
      #expect(try await scene.herald.count("SELECT count(*) FROM queue") == 0, "seed \(seed)")
      try await checkWays(scene, text, seed)
    }
  }

  /// Each person's steps make one way through the plan, from its first step to an end.
  private func checkWays(_ scene: CampaignScene, _ text: String, _ seed: UInt64) async throws {
    let document = try PlanText.parse(text)
    let rows = try await scene.herald.app.db.read { db in
      try db.query(
        """
        SELECT e.user_id::text AS id, e.state, coalesce(e.reason, '') AS reason, w.steps
        FROM enrolments e JOIN LATERAL (SELECT array_agg(step_id) AS steps FROM (
          SELECT step_id FROM deliveries d WHERE d.user_id = e.user_id AND d.run_id = e.run_id
          UNION ALL
          SELECT step_id FROM step_visits v WHERE v.user_id = e.user_id AND v.run_id = e.run_id)
          AS s) AS w ON true
        WHERE e.state IN ('finished', 'exited')
        """
      ).map {
        (
          state: try $0.get("state", as: String.self),
          reason: try $0.get("reason", as: String.self),
          steps: try $0.get("steps", as: [String].self)
        )
      }
    }
    #expect(!rows.isEmpty)
    for row in rows {
      #expect(Set(row.steps).count == row.steps.count, "doubled, seed \(seed)")
      let way = document.steps.filter { row.steps.contains($0.id) }
      #expect(way.first?.id == document.steps.first?.id, "seed \(seed)")
      for (step, next) in zip(way, way.dropFirst()) {
        #expect(
          step.successors.contains { $0?.id == next.id },
          "\(step.id) does not lead to \(next.id), seed \(seed): \(text)")
      }
      let last = try #require(way.last)
      #expect(
        row.state == "exited" ? !row.reason.isEmpty : last.successors.contains(nil),
        "seed \(seed): \(text)")
    }
    // One message per delivery, but for those a vanished worker may have sent already.
    let keys = Set(scene.herald.channel.messages.map(\.idempotencyKey))
    let sent = try await scene.herald.count("SELECT count(*) FROM deliveries WHERE status = 'sent'")
    #expect(keys.count == sent, "seed \(seed)")
  }
}
