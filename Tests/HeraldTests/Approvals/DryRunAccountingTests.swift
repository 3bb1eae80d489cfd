import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Dry runs against the books") struct DryRunAccountingTests {
  private static let plan = #"""
    {"name": "Hello", "trigger": {"segment": "crowd", "at": "now"}, "holdout": 0.2,
     "audience": {"attribute": "n", "gte": 20},
     "steps": [
       {"id": "hello", "send": {"chain": [{"channel": "push", "template": "p"},
                                          {"channel": "sms", "template": "m"}]}},
       {"id": "gift", "send": {"chain": [{"channel": "coupon", "coupon": "c"}]}},
       {"id": "text", "send": {"chain": [{"channel": "sms", "template": "m"}]}}]}
    """#

  @Test("of a random crowd it says what the accounting says afterwards")
  func equal() async throws {
    let seed = SeededRandom.seed
    try await CampaignScene.with { scene in
      var random = SeededRandom(seed: seed)
      try await scene.people(200) { _, user in
        user["consents"] = [
          "push": random.pick(["granted", "denied", "unknown"]),
          "sms": random.pick(["granted", "denied", "unknown"]),
        ]
        if random.chance(30) { user["devices"] = [] }
      }
      // Suppression outranks what people said.
      let suppressed = (0..<200).filter { _ in random.chance(15) }.map { n in
        JSONValue.string(n % 2 == 0 ? "phone:+86138\(10_000_000 + n)" : "token:apns:t-\(n)")
      }
      let refused = try await scene.herald.call(
        .post, "/v1/suppressions", ["addresses": .array(suppressed)], key: scene.admin)
      try #require(refused.status == 200, "\(refused.json.text)")
      try await scene.coupon("c", codes: 200)
      try await scene.draft(Self.plan)
      let dry = try await scene.herald.call(
        .post, "/v1/plans/hello/dry-run", key: scene.author
      ).json
      #expect(try await scene.herald.count("SELECT count(*) FROM runs") == 0)
      #expect(try await scene.approve(scene.submit()).status == 200)
      try await scene.drain()
      let found = try await scene.accounting()
      let context: Comment = "seed \(seed) \(dry.text) \(found.text)"
      #expect(found["balanced"] == true, context)
      #expect(dry["audience"] == found["people"]?["targeted"], context)
      #expect(dry["held_out"] == found["people"]?["held_out"], context)
      var skipped = found["people"]?["skipped_at_entry"]?.objectValue ?? [:]
      for step in ["hello", "gift", "text"] {
        for (code, count) in found["steps"]?[step]?["skipped"]?.objectValue ?? [:] {
          skipped[code] = .int((skipped[code]?.intValue ?? 0) + (count.intValue ?? 0))
        }
      }
      #expect(dry["skipped"]?.objectValue?.count == skipped.count, context)
      for (code, count) in skipped { #expect(dry["skipped"]?[code] == count, "\(code) \(context)") }
      #expect(skipped["denied"] != nil && skipped["no_consent"] != nil, context)
      #expect(dry["held_out"] != 0, context)
      for channel in ["push", "sms", "coupon"] {
        #expect(
          dry["by_channel"]?[channel] == found["attempts"]?[channel]?["sent"],
          "\(channel) \(context)")
      }
      #expect(dry["coupons"]?["c"] == found["steps"]?["gift"]?["sent"], context)
    }
  }

  @Test(
    "what the caps will take is foreseen: dropped, put off, or sent by the next channel",
    arguments: ["drop", "defer"])
  func capped(_ onHit: String) async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T04:00:00Z")
      try await scene.people(9) { n, user in
        user["time_zone"] = n % 2 == 0 ? "Asia/Shanghai" : "America/New_York"
      }
      try await scene.put(
        "segments/early", ["name": "E", "condition": ["attribute": "n", "lt": 6]])
      try await scene.launch(
        #"""
        {"name": "Early", "trigger": {"segment": "early", "at": "now"}, "category": "news",
         "steps": [{"id": "hello", "send": {"chain": [\#(PlanText.push)]}}]}
        """#, key: "early")
      try await scene.drain()
      #expect(scene.sent.count == 6)
      scene.herald.clock.advance(by: 3 * 3600)
      // A new day in New York, not in Shanghai.
      try await scene.put(
        "caps/pushes", ["scope": ["channel": "push"], "limit": 1, "per": ["calendar": "day"]])
      try await scene.put("caps/news", ["scope": ["category": "news"], "limit": 1, "per": "2h"])
      try await scene.put("caps/texts", ["scope": ["channel": "sms"], "limit": 1, "per": "1d"])
      let plan = #"""
        {"name": "Hello", "trigger": {"segment": "crowd", "at": "now"}, "category": "news",
         "pressure": {"on_capped": "\#(onHit)"},
         "steps": [{"id": "hello", "send": {"chain": [\#(PlanText.push)]}}]}
        """#
      try await scene.draft(plan)
      let dry = try await scene.herald.call(
        .post, "/v1/plans/hello/dry-run", key: scene.author
      ).json
      let isDropped = onHit == "drop"
      #expect(dry["by_channel"] == ["push": .int(isDropped ? 6 : 9)], "\(dry.text)")
      #expect(dry["skipped"] == (isDropped ? ["capped": 3] : [:]), "\(dry.text)")
      #expect(dry["deferred"] == (isDropped ? [:] : ["capped": 3]), "\(dry.text)")
      try await scene.draft(
        plan.replacing(
          PlanText.push, with: PlanText.push + #", {"channel": "sms", "template": "m"}"#))
      let fallback = try await scene.herald.call(
        .post, "/v1/plans/hello/dry-run", key: scene.author
      ).json
      #expect(fallback["by_channel"] == ["push": 6, "sms": 3], "\(fallback.text)")
      #expect(fallback["skipped"] == [:] && fallback["deferred"] == [:])
      try await scene.launch(plan)
      try await scene.drain()
      let step = try await scene.accounting()["steps"]?["hello"]
      #expect(step?["sent"] == 6)
      #expect(step?["skipped"] == (isDropped ? ["capped": 3] : [:]))
      #expect(step?["pending"] == .int(isDropped ? 0 : 3))
    }
  }

  @Test(
    "of several rules the one that holds longest counts, and nobody waits beyond the plan's end",
    arguments: [
      (#""on_gap": "defer""#, ""), (#""on_capped": "defer", "on_gap": "drop""#, ""),
      (#""on_capped": "defer""#, #""not_after": "30m""#),
      (#""on_capped": "defer""#, #""not_after": "9h""#),
      (#""exclusion": {"group": "g", "within": "4h"}"#, ""),
      (#""exclusion": {"group": "g", "within": "1d"}, "on_capped": "defer""#, ""),
    ])
  func longest(_ pressure: String, _ more: String) async throws {
    try await CampaignScene.with { scene in
      try await scene.people(6)
      try await scene.put(
        "segments/early", ["name": "E", "condition": ["attribute": "n", "lt": 4]])
      try await scene.launch(
        #"""
        {"name": "Early", "trigger": {"segment": "early", "at": "now"},
         "pressure": {"exclusion": {"group": "g", "within": "1d"}},
         "steps": [{"id": "hello", "send": {"chain": [\#(PlanText.push)]}}]}
        """#, key: "early")
      try await scene.drain()
      scene.herald.clock.advance(by: 7200)
      try await scene.put("caps/a", ["scope": "all", "limit": 1, "per": "6h"])
      try await scene.put("caps/b", ["scope": ["channel": "push"], "gap": "8h"])
      try await scene.draft(
        #"""
        {"name": "Hello", "trigger": {"segment": "crowd", "at": "now"},
         "pressure": {\#(pressure)}, "steps": [{"id": "hello", "send": {"chain":
         [\#(PlanText.push), {"channel": "sms", "template": "m"}]}\#(more.isEmpty ? "" : ", " + more)}]}
        """#)
      let dry = try await scene.herald.call(
        .post, "/v1/plans/hello/dry-run", key: scene.author
      ).json
      #expect(try await scene.approve(scene.submit()).status == 200)
      try await scene.drain()
      let step = try await scene.accounting()["steps"]?["hello"]
      let words: Comment = "\(dry.text) \(step?.text ?? "")"
      func sum(_ counts: JSONValue?) -> Int {
        counts?.objectValue?.map { $0.value.intValue ?? 0 }.reduce(0, +) ?? 0
      }
      #expect(dry["skipped"] == step?["skipped"], words)
      #expect(sum(dry["deferred"]) == step?["pending"]?.intValue, words)
      #expect(
        sum(dry["by_channel"]) == (step?["sent"]?.intValue ?? 0) + sum(dry["deferred"]), words)
    }
  }

  @Test("a plan whose window is over would let nobody in")
  func over() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      let past = scene.herald.clock.now.addingTimeInterval(-60).rfc3339
      try await scene.draft(PlanText.plan(#""window": {"until": "\#(past)"}"#))
      let dry = try await scene.herald.call(
        .post, "/v1/plans/hello/dry-run", key: scene.author
      ).json
      #expect(dry["skipped"] == ["outside_window": 3] && dry["by_channel"] == [:])
      #expect(try await scene.approve(scene.submit()).status == 200)
      try await scene.drain()
      #expect(try await scene.accounting()["people"]?["skipped_at_entry"] == ["outside_window": 3])
    }
  }

  @Test("what the settings say of unknown consent holds for it, for the crowd and for the sending")
  func unknownConsent() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5) { n, user in user["consents"] = n == 0 ? ["sms": "denied"] : [:] }
      // One decider only: the change is made at once.
      try await scene.herald.execute("DELETE FROM api_keys WHERE role = 'approver'")
      try await scene.put(
        "settings", ["consents": ["unknown": ["marketing": ["sms": "allowed"]]]])
      try await scene.put(
        "segments/crowd", ["name": "C", "condition": ["reachable": "sms"], "refresh": "live"])
      let step = PlanText.step("hello", #"{"channel": "sms", "template": "m"}"#)
      try await scene.draft(PlanText.plan(steps: step))
      let dry = try await scene.herald.call(.post, "/v1/plans/hello/dry-run", key: scene.author)
      #expect(dry.json["audience"] == 4)
      #expect(dry.json["by_channel"] == ["sms": 4])
      let approver = try await scene.herald.key(.approver, "wang.fang")
      #expect(try await scene.approve(scene.submit(), by: approver).status == 200)
      try await scene.drain()
      #expect(scene.sent.count == 4)
    }
  }

  @Test("samples show names, so not to analysts nor beyond a user scope")
  func masked() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.draft(PlanText.plan())
      let submitted = try await scene.submit()
      let id = try #require(submitted.json["approval"]?.stringValue)
      let analyst = try await scene.herald.key(.analyst, "zhou")
      let dealer = try await scene.herald.key(
        .operator, "dealer", scope: try .stored(["attribute": "n", "eq": 0]))
      func samples(_ method: String, by key: String) async throws -> Int? {
        let answer =
          method == "dry"
          ? try await scene.herald.call(.post, "/v1/plans/hello/dry-run", key: key).json
          : try await scene.herald.call(.get, "/v1/approvals/\(id)", key: key).json["dry_run"]
        return answer?["samples"]?.arrayValue?.count
      }
      #expect(try await samples("dry", by: scene.author) == 3)
      #expect(try await samples("approval", by: scene.approver) == 3)
      #expect(try await samples("dry", by: analyst) == 0)
      #expect(try await samples("approval", by: analyst) == 0)
      #expect(try await samples("dry", by: dealer) == 1)
      #expect(try await samples("approval", by: dealer) == 0)
      let list = try await scene.herald.call(.get, "/v1/approvals", key: analyst)
      #expect(!list.json.text.contains("用户"))
    }
  }
}
