import Foundation
import JSON
import Testing

@testable import Herald

@Suite("What a step comes to") struct StepRuleTests {
  private static let entered = Date(rfc3339: "2026-11-22T10:00:00Z") ?? .distantPast

  private func decide(
    _ step: String, after seconds: TimeInterval = 0,
    events: [(TimeInterval, JSONObject)] = [], properties: JSONObject = [:], user: UUID = UUID(),
    zone: String = "Asia/Shanghai"
  ) throws -> String {
    let tail = #", {"id": "yes", "wait": "1h"}, {"id": "no", "wait": "1h"}"#
    let plan = try PlanText.parse(PlanText.plan(steps: step + tail))
    let facts = StepRule.Facts(
      plan: "p", user: user, isErased: false, zone: TimeZone(identifier: zone) ?? .gmt,
      properties: properties,
      events: events.map {
        .init(at: Self.entered.addingTimeInterval($0.0), properties: $0.1)
      }, holding: [], sent: [:], receipts: [], exitEvents: [])
    let decision = StepRule(now: Self.entered.addingTimeInterval(seconds))
      .decide(try #require(plan.steps.first), arrivedAt: Self.entered, facts)
    switch decision {
    case .pass(let next, let outcome, _): return "\(outcome) \(next?.id ?? "end")"
    case .wait(let end, let names):
      return ([end.rfc3339] + names).joined(separator: " ")
    case .change: return "change"
    case .fail(_, let reason): return "failed \(reason)"
    case .leave(let reason): return "left \(reason)"
    }
  }

  @Test("a wait ends when its time is over, to the second")
  func wait() throws {
    let step = #"{"id": "a", "wait": "2d"}"#
    #expect(try decide(step, after: 172_799).hasPrefix("2026-11-24T10:00:00"))
    #expect(try decide(step, after: 172_800) == "time yes")
  }

  private static let until = #"""
    {"id": "a", "wait_until": {"event": "paid", "same": "order", "timeout": "1h",
      "where": [{"property": "amount", "gte": 10}]}, "then": "no", "else": "yes"}
    """#

  @Test("an event ends the wait when its properties fit those of the entry")
  func event() throws {
    let entry: JSONObject = ["order": "o-1"]
    let other: JSONObject = ["order": "o-2", "amount": 50]
    let small: JSONObject = ["order": "o-1", "amount": 5]
    let right: JSONObject = ["order": "o-1", "amount": 10]
    func at(_ seconds: TimeInterval, _ events: JSONObject...) throws -> String {
      try decide(Self.until, after: seconds, events: events.map { (5, $0) }, properties: entry)
    }
    #expect(try at(60, other, small).hasSuffix("paid"))
    #expect(try at(3600, other, small) == "timeout yes")
    #expect(try at(60, other, right) == "event no")
    // Told late, but it was in time.
    #expect(try at(9000, right) == "event no")
    #expect(try decide(Self.until, events: [(5, ["amount": 10])]).hasSuffix("paid"))
  }

  @Test("a time of day is the next one on the person's clock, also where the clocks change")
  func timeOfDay() throws {
    let step = #"{"id": "a", "wait_until": {"at": "18:00"}}"#
    #expect(try decide(step) == "time yes")
    #expect(try decide(step, zone: "Europe/Berlin").hasPrefix("2026-11-22T17:00:00"))
    #expect(try decide(step, zone: "Asia/Tokyo").hasPrefix("2026-11-23T09:00:00"))
    let gap = StepRule.instant(
      of: 150, notBefore: Date(rfc3339: "2026-03-29T00:00:00Z") ?? .distantPast,
      in: TimeZone(identifier: "Europe/Berlin") ?? .gmt)
    #expect(gap.rfc3339.hasPrefix("2026-03-29T01:00:00"))
  }

  @Test("a split takes each person the same way every time, and shares as it says")
  func split() throws {
    let step = #"""
      {"id": "a", "split": [{"share": 0.3, "then": "yes"}, {"share": 0.5, "then": "no"}],
       "else": "end"}
      """#
    var counts: [String: Int] = [:]
    for n in 0..<2000 {
      let user = UUID(
        uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, UInt8(n >> 8), UInt8(n & 255)))
      let way = try decide(step, user: user)
      #expect(try decide(step, after: 999, user: user) == way)
      counts[way, default: 0] += 1
    }
    #expect(Set(counts.keys) == ["yes yes", "no no", "else end"])
    #expect(abs((counts["yes yes"] ?? 0) - 600) < 100)
    #expect(abs((counts["no no"] ?? 0) - 1000) < 100)
  }
}
