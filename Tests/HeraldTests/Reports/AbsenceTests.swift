import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Why somebody is not in a plan of events")
struct AbsenceTests {
  /// `code gate` of the one decision about u-`n`, with its values.
  private func told(_ scene: CampaignScene, _ n: Int) async throws -> (String, JSONValue?) {
    let answer = try await scene.herald.call(
      .get, "/v1/users/external_id:u-\(n)/explain?plan=hello", key: scene.admin)
    let decisions = answer.json["decisions"]?.arrayValue ?? []
    #expect(decisions.count == 1)
    let words = ["code", "gate"].compactMap { decisions.first?[$0]?.stringValue }
    return (words.joined(separator: " "), decisions.first?["values"])
  }

  @Test("each reason has its own code, with what was seen")
  func reasons() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T10:00:00Z")
      try await scene.people(6)
      try await scene.event("order", 0, ["amount": 80])
      scene.herald.clock.advance(by: 1)
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "order", "where": [{"property": "amount", "gte": 50}]}"#,
          #""window": {"from": "2026-11-22T10:00:00Z"}"#))
      scene.herald.clock.advance(by: 59)
      try await scene.drain()
      try await scene.event("order", 1, ["amount": 8])
      try await scene.event("order", 2, ago: 61, ["amount": 80])
      _ = try await scene.herald.call(.post, "/v1/plans/hello/pause", key: scene.admin)
      scene.herald.clock.advance(by: 1)
      try await scene.event("order", 3, ["amount": 80])
      scene.herald.clock.advance(by: 1)
      _ = try await scene.herald.call(.post, "/v1/plans/hello/resume", key: scene.admin)
      try await scene.event("order", 4, ["amount": 80])
      #expect(try await scene.people() == "targeted 1, active 1")
      let early = try await told(scene, 0)
      #expect(early.0 == "not_live_yet plan")
      #expect(early.1?["live_at"]?.stringValue?.hasPrefix("2026-11-22T10:0") ?? false)
      let small = try await told(scene, 1)
      #expect(small.0 == "where_not_met trigger")
      #expect(small.1?["properties"] == ["amount": 8])
      #expect(try await told(scene, 2).0 == "outside_window window")
      let paused = try await told(scene, 3)
      #expect(paused.0 == "paused plan")
      #expect(paused.1?["told_at"] == "2026-11-22T10:01:01.000Z")
      let never = try await told(scene, 5)
      #expect(never.0 == "not_triggered trigger")
      #expect(never.1?["happened"] == false)
    }
  }

  @Test("the version that was live when the event came is the one that tells")
  func versions() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T10:00:00Z")
      try await scene.people(5)
      func order(_ least: Int) -> String {
        CampaignScene.triggered(
          #"{"event": "order", "where": [{"property": "amount", "gte": \#(least)}]}"#)
      }
      try await scene.launch(order(100))
      scene.herald.clock.advance(by: 1)
      try await scene.event("order", 0, ["amount": 50])
      try await scene.event("order", 1, ["amount": 150])
      scene.herald.clock.advance(by: 1)
      _ = try await scene.herald.call(.post, "/v1/plans/hello/pause", key: scene.admin)
      scene.herald.clock.advance(by: 1)
      try await scene.launch(order(10))
      scene.herald.clock.advance(by: 1)
      #expect(try await told(scene, 0).0 == "where_not_met trigger")
      // Of somebody who is in, the latest event.
      try await scene.event("order", 1, ["amount": 5])
      let answer = try await scene.herald.call(
        .get, "/v1/users/external_id:u-1/explain?plan=hello", key: scene.admin)
      let codes = answer.json["decisions"]?.arrayValue?.map { $0["code"]?.stringValue }
      #expect(codes?.last == "where_not_met" && (codes?.count ?? 0) > 1)
      try await scene.event("order", 2, ["amount": 11])
      #expect(try await scene.people() == "targeted 2, active 2")
      _ = try await scene.herald.call(.post, "/v1/plans/hello/cancel", key: scene.admin)
      scene.herald.clock.advance(by: 1)
      try await scene.event("order", 3, ["amount": 150])
      #expect(try await told(scene, 3).0 == "plan_over plan")
    }
  }

  @Test("another event is not the first when an earlier one fits as well")
  func first() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      for n in 0..<2 { try await scene.event("order", n, ["amount": n == 0 ? 150 : 5]) }
      scene.herald.clock.advance(by: 1)
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "order", "occurrence": "first", "where": [{"property": "amount", "gte": 100}]}"#
        ))
      scene.herald.clock.advance(by: 1)
      for n in 0..<2 { try await scene.event("order", n, ["amount": 150]) }
      #expect(try await scene.people() == "targeted 1, active 1")
      #expect(try await told(scene, 0).0 == "not_the_first trigger")
    }
  }
}
