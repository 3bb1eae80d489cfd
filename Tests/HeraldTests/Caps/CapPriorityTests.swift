import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Who takes the slot") struct CapPriorityTests {
  private static let day: JSONValue = ["scope": "all", "limit": 1, "per": "1d"]

  private func values(_ scene: CampaignScene, _ plan: String) async throws -> JSONValue? {
    let answer = try await scene.herald.call(
      .get, "/v1/users/external_id:u-0/explain?plan=\(plan)", key: scene.admin)
    return answer.json["decisions"]?.arrayValue?.last { $0["step"]?.stringValue != nil }?["values"]
  }

  /// Approved and entered, but nothing sent yet.
  private func stopped(_ scene: CampaignScene, _ body: () async throws -> Void) async throws {
    _ = try await scene.herald.call(.post, "/v1/stop", key: scene.admin)
    try await body()
    try await scene.drain()
    #expect(try await scene.herald.call(.post, "/v1/start", key: scene.admin).status == 200)
  }

  @Test("of those due together the one of higher priority goes, whoever came first")
  func priority() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      try await stopped(scene) {
        try await scene.launch(PlanText.plan(#""priority": 40"#), key: "low")
        try await scene.drain()
        scene.herald.clock.advance(by: 30)
        try await scene.launch(PlanText.plan(#""priority": 60"#), key: "high")
      }
      try await scene.drain(2)
      #expect(scene.herald.channel.messages.map(\.plan) == ["high"])
      #expect(try await values(scene, "low")?["won_by"]?["plan"] == "high")
    }
  }

  @Test("a delivery steps back for a better one that is due, even if another worker has that")
  func stepsBack() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put("caps/daily", Self.day)
      try await stopped(scene) {
        try await scene.launch(PlanText.plan(#""priority": 40"#), key: "low")
        try await scene.launch(PlanText.plan(#""priority": 60"#), key: "high")
      }
      // Somebody else has claimed it and has not come to its gates yet.
      try await scene.herald.execute(
        """
        UPDATE queue SET lease = gen_random_uuid(),
          leased_until = clock_timestamp() + interval '1 h' WHERE plan = 'high'
        """)
      try await scene.drain()
      #expect(scene.herald.channel.messages.isEmpty)
      try await scene.herald.execute("UPDATE queue SET lease = NULL, leased_until = NULL")
      try await scene.drain(2)
      #expect(scene.herald.channel.messages.map(\.plan) == ["high"])
      #expect(try await scene.accounting("low")["balanced"] == true)
    }
  }

  @Test("of an exclusion group a person gets messages of one plan only, within its span")
  func exclusion() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      func plan(_ within: String) -> String {
        PlanText.plan(
          #""pressure": {"exclusion": {"group": "winter", "within": "\#(within)"}}"#)
      }
      for (key, within) in [("a", "1d"), ("b", "1d"), ("c", "1h")] {
        try await scene.launch(plan(within), key: key)
        try await scene.drain(1)
      }
      #expect(scene.herald.channel.messages.map(\.plan) == ["a"])
      #expect(
        try await scene.accounting("b")["steps"]?["hello"]?["skipped"] == ["excluded": 1])
      let seen = try await values(scene, "c")
      #expect(seen?["group"] == "winter" && seen?["won_by"]?["plan"] == "a")
      scene.herald.clock.advance(by: 3600)
      try await scene.launch(plan("1h"), key: "d")
      try await scene.drain()
      #expect(scene.herald.channel.messages.map(\.plan) == ["a", "d"])
    }
  }

  @Test("a scheduled run holds the slots of its crowd; better plans go all the same")
  func reserve() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.put("caps/daily", Self.day)
      let at = scene.herald.clock.now.addingTimeInterval(7200)
      try await scene.launch(
        PlanText.plan(#""priority": 60, "pressure": {"reserve": "1h"}"#).replacing(
          #""now""#, with: "\"\(at.rfc3339)\""), key: "evening")
      let reservations = CapReservations(db: scene.herald.app.db) { ProjectSettings() }
      try await reservations.advance(now: scene.herald.clock.now)
      let held: SQL = "SELECT count(*) FROM cap_reservations"
      #expect(try await scene.herald.count(held) == 0)
      scene.herald.clock.advance(by: 3700)
      for _ in 0..<2 { try await reservations.advance(now: scene.herald.clock.now) }
      #expect(try await scene.herald.count(held) == 2)
      try await scene.launch(PlanText.plan(#""priority": 60"#), key: "equal")
      try await scene.drain()
      #expect(scene.herald.channel.messages.isEmpty)
      #expect(try await values(scene, "equal")?["reserved_for"]?["plan"] == "evening")
      try await scene.launch(
        PlanText.plan(#""priority": 61, "audience": {"attribute": "n", "eq": 1}"#), key: "better")
      try await scene.drain()
      #expect(scene.herald.channel.messages.map(\.plan) == ["better"])
      try await scene.drain(3600)
      #expect(scene.herald.channel.messages.map(\.plan) == ["better", "evening"])
      try await reservations.advance(now: at.addingTimeInterval(3601))
      #expect(try await scene.herald.count(held) == 0)
    }
  }

  @Test("only a crowd whose time is known can hold slots")
  func unscheduled() throws {
    let reserve = #""pressure": {"reserve": "1h"}"#
    #expect(
      try PlanText.faults(of: PlanText.plan(reserve)) == ["invalid /pressure/reserve"])
    let later = PlanText.plan(reserve).replacing(#""now""#, with: #""2026-12-01T00:00:00Z""#)
    #expect(try PlanText.faults(of: later) == [])
  }
}
