import Foundation
import HTTP
import HeraldTesting
import JSON
import Testing

@testable import Herald

@Suite("The schema of plans") struct PlanSchemaTests {
  /// As served.
  private func checker() async throws -> SchemaChecker {
    try await withDatabase(migrations: HeraldSchema.migrations) {
      let herald = try HeraldInProcess(pool: TestDatabase.current.pool)
      let answer = try await herald.call(.get, "/v1/schemas/plan")
      #expect(answer.status == 200)
      return SchemaChecker(root: answer.json)
    }
  }

  private static let good: [String] = [
    PlanText.plan(),
    PlanText.plan(
      #"""
      "goals": [{"stage": "recall", "event": "order_paid", "within": "3d", "primary": true,
                 "target_rate": 0.12}],
      "class": "marketing", "category": "checkout", "priority": 0
      """#),
    PlanText.plan(#""class": "transactional""#),
    PlanText.plan(#""audience": {"not": {"tag": "tester"}}, "window": {}"#),
    PlanText.plan(
      #""window": {"from": "2026-12-01T00:00:00+08:00", "until": "2026-12-31T00:00:00+08:00"}"#),
    PlanText.plan(
      #"""
      "holdout": 0.5,
      "quiet_hours": {"from": "22:00", "until": "08:00", "zone": "user", "on_hit": "drop"}
      """#),
    PlanText.plan(
      #"""
      "limits": {"audience": 200000, "per_minute": 6000, "coupons": {"c": 5},
                 "allow_partial_stock": false}
      """#, steps: PlanText.step("a", PlanText.coupon)),
    PlanText.plan(steps: PlanText.step("a", chain, #""not_after": "30m", "next": "end""#)),
    PlanText.plan().replacing(#""now""#, with: #""2026-12-01T00:00:00Z""#),
  ]

  private static let chain = PlanText.steps(
    PlanText.push, #"{"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}"#)

  private static let bad: [String] = [
    "[]", "{}", PlanText.plan(#""nmae": 1"#), PlanText.plan(#""class": "other""#),
    PlanText.plan(#""priority": 101"#), PlanText.plan(#""priority": 1.5"#),
    PlanText.plan(#""holdout": 0.51"#), PlanText.plan(#""holdout": -0.1"#),
    PlanText.plan(#""audience": {"tagg": "x"}"#), PlanText.plan(#""window": {"since": "x"}"#),
    PlanText.plan(#""window": {"from": "yesterday"}"#),
    PlanText.plan(#""goals": [{"stage": "recall", "event": "x"}]"#),
    PlanText.plan(#""goals": [{"stage": "recall", "event": "x", "within": "3 d"}]"#),
    PlanText.plan(#""limits": {"coupons": {"c": 0}}"#), PlanText.plan(#""limits": null"#),
    PlanText.plan(#""quiet_hours": {"from": "24:00", "until": "08:00"}"#),
    PlanText.plan(#""quiet_hours": {"from": "22:00"}"#), PlanText.plan(steps: ""),
    PlanText.plan(steps: PlanText.step("Upper", PlanText.push)),
    PlanText.plan(steps: PlanText.step("a", "")),
    PlanText.plan(steps: PlanText.step("a", #"{"channel": "fax", "template": "p"}"#)),
    PlanText.plan(steps: PlanText.step("a", #"{"template": "p"}"#)),
    PlanText.plan(steps: PlanText.step("a", PlanText.push, #""not_after": "0m""#)),
    PlanText.plan().replacing(#""now""#, with: #""soon""#),
    PlanText.plan().replacing(#""at": "now""#, with: #""at": null"#),
    PlanText.plan().replacing("Hello", with: ""),
    PlanText.plan().replacing("Hello", with: String(repeating: "x", count: 201)),
  ]

  @Test("it takes what Herald takes, and refuses what has the wrong form")
  func agrees() async throws {
    let schema = try await checker()
    for text in Self.good {
      #expect(try schema.accepts(JSONScanner.parse(Array(text.utf8))), "\(text)")
      #expect(try PlanText.faults(of: text) == [], "\(text)")
    }
    for text in Self.bad {
      #expect(try !schema.accepts(JSONScanner.parse(Array(text.utf8))), "\(text)")
      #expect(try PlanText.faults(of: text) != [], "\(text)")
    }
  }
}
