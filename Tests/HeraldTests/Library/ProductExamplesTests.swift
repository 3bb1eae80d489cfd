import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Examples of the product's description") struct ProductExamplesTests {
  /// The plan as written, without members that Herald does not know yet.
  private static func plan() throws -> JSONValue {
    var plan = try #require(try JSONScanner.parse(Array(ProductExamples.plan.utf8)).objectValue)
    let known = PlanDocument.schema["properties"]?.objectValue?.keys ?? []
    for key in plan.keys where !known.contains(key) { plan[key] = nil }
    return .object(plan)
  }

  private static func furnish(_ scene: CampaignScene) async throws {
    try await scene.put(
      "tags/tester", ["name": "Tester", "category": "custom", "type": "flag"])
    for key in ["pay_push", "pay_push_warm", "coupon_push"] {
      let code = key == "coupon_push" ? " {{ steps.sweeten.coupon.code }}" : ""
      try await scene.put(
        "templates/\(key)",
        ["channel": "push", "content": ["title": .string(key), "body": .string(key + code)]])
    }
    try await scene.put("templates/pay_sms", ["channel": "sms", "content": ["text": "pay_sms"]])
    try await scene.put(
      "coupons/winter_10_off", CouponFixture.document(count: 20, pattern: "W26-########"))
  }

  @Test("the examples here are those of the description")
  func verbatim() throws {
    guard let folder = SharedHistory.folder else { return }
    let file = folder.deletingLastPathComponent().appendingPathComponent("design/product.md")
    let text = try String(decoding: Data(contentsOf: file), as: UTF8.self)
    let blocks = text.components(separatedBy: "```json\n").dropFirst().map {
      $0.components(separatedBy: "\n```")[0]
    }
    let known = [ProductExamples.condition, ProductExamples.plan]
    #expect(
      try blocks.map { try JSONScanner.parse(Array($0.utf8)) }
        == known.map { try JSONScanner.parse(Array($0.utf8)) })
  }

  @Test("the plan runs: a push, a text message, thanks or a coupon, each to whom it is meant for")
  func runs() async throws {
    try await CampaignScene.with { scene in
      try await Self.furnish(scene)
      try scene.at("2026-12-02T02:00:00Z")
      try await scene.shoppers(24)
      for n in 20...23 { try await scene.tag("tester", n) }
      try await scene.launch(Self.plan().text)
      // 0…5 pay in time, 6…11 after the nudge, 12…15 never, 16…19 order too little, 20… are testers.
      for n in 0...23 {
        let amount: JSONValue = (16...19).contains(n) ? 49 : 128.5.json
        try await scene.event(
          "order_submitted", by: n, ["order_id": .string("o-\(n)"), "amount": amount])
      }
      try await scene.drain(300)
      for n in 0...5 { try await scene.event("order_paid", by: n, ["order_id": .string("o-\(n)")]) }
      try await scene.drain(301)
      let reached = (0...23).filter { scene.channels($0) == "push" }
      #expect(reached.allSatisfy { (6...15).contains($0) })
      try await scene.drain(601)
      #expect(reached.allSatisfy { scene.channels($0) == "push sms" })
      for n in 6...11 { try await scene.event("order_paid", by: n) }
      try await scene.drain(86_400, 86_400)
      for n in reached {
        let tags = try await scene.tags(n)
        #expect(tags == (n < 12 ? ["paid_after_nudge"] : []))
        #expect(scene.channels(n) == (n < 12 ? "push sms" : "push sms push"))
      }
      let last = scene.messages(to: reached.last ?? 0).last?.content["body"]?.stringValue
      #expect(last?.hasPrefix("coupon_push W26-") ?? false, "\(last ?? "nothing")")
      let books = try await scene.accounting()
      #expect(books["people"]?["targeted"] == 20 && books["balanced"] == true)
      let held = books["people"]?["held_out"]?.intValue ?? 0
      #expect(books["people"]?["finished"]?.intValue == reached.count)
      #expect(books["people"]?["skipped_at_entry"] == ["not_in_audience": 4])
      let paid = books["people"]?["exited"]?["unless_happened"]?.intValue ?? 0
      #expect(paid + held + reached.count == 16)
    }
  }

  @Test("the condition holds of whom it describes, and of nobody else")
  func condition() async throws {
    try await CampaignScene.with { scene in
      try await scene.put(
        "tags/lifecycle",
        [
          "name": "Lifecycle", "category": "lifecycle", "type": "choice",
          "choices": ["new", "growth", "mature"],
        ])
      try await scene.put(
        "segments/vip", ["name": "VIP", "condition": ["attribute": "vip", "eq": true]])
      // Every fifth is too young, lapsed, and so on.
      try await scene.people(100) { n, user in
        user["attributes"] = ["age": n % 10 == 0 ? 39 : 41, "vip": .bool(n % 10 != 1)]
        user["tags"] = ["lifecycle": n % 10 == 2 ? "new" : "growth"]
      }
      try await scene.launch(
        CampaignScene.triggered(#"{"segment": "crowd", "at": "now"}"#), key: "plan_key")
      try await scene.drain()
      for n in 0..<100 {
        var events: [(String, Int, TimeInterval, JSONValue)] = [
          ("order_paid", n, 86_400, ["amount": n % 10 == 3 ? 99 : 250, "cart_id": "c-1"]),
          ("order_paid", n, 2 * 86_400, ["amount": 250, "cart_id": "c-2"]),
          ("cart_added", n, 3 * 3600, ["cart_id": "c-3"]),
        ]
        if n % 10 == 4 { events.append(("refund", n, 3600, [:])) }
        if n % 10 == 5 {
          events.append(("order_paid", n, 2 * 3600, ["amount": 500, "cart_id": "c-3"]))
        }
        try await scene.events(events)
      }
      func count(_ condition: JSONValue) async throws -> Int {
        let answer = try await scene.herald.call(
          .post, "/v1/segments/preview", ["condition": condition], key: scene.admin)
        try #require(answer.status == 200, "\(answer.json.text)")
        return answer.json["count"]?.intValue ?? -1
      }
      let whole = try JSONScanner.parse(Array(ProductExamples.condition.utf8))
      try await scene.put("segments/example", ["name": "Example", "condition": whole])
      let parts = whole["all"]?.arrayValue ?? []
      #expect(try await count(["all": .array(Array(parts.dropLast()))]) == 40)
      #expect(
        try await count(whole)
          == count(["all": [["segment": "example"], ["bucket": [0, 999]]]]))
      #expect(try await count(["bucket": [0, 9999]]) == 100)
      #expect(
        try await count([
          "event": "order_paid", "within": ["last": ["days": 7, "zone": "user"]],
        ]) == 100)
    }
  }

  @Test("every kind of trigger is taken", arguments: ProductExamples.triggers)
  func triggers(_ trigger: String) async throws {
    try await CampaignScene.with { scene in
      try await scene.put("segments/vip", ["name": "VIP", "condition": ["all": []]])
      try await scene.launch(CampaignScene.triggered(trigger))
    }
  }
}

extension Double {
  fileprivate var json: JSONValue { .double(self) }
}
