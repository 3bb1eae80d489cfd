import Cryptography
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Experiments") struct ExperimentTests {
  private static let variants = #"""
    "variants": [{"key": "plain", "templates": {"p": "p"}}, {"key": "warm", "templates": {"p": "w"}}]
    """#
  private static let ab = #""experiment": {"step": "hello", \#(variants)}"#
  private static func race(_ more: String) -> String {
    #""experiment": {"step": "hello", \#(variants), "mode": "race", "observe": "1h", \#(more)}"#
  }

  private func scene(people: Int, _ body: (CampaignScene) async throws -> Void) async throws {
    try await CampaignScene.with { scene in
      try await scene.people(people)
      try await scene.put(
        "templates/w", ["channel": "push", "content": ["title": "Hi", "body": "Warm"]])
      try await body(scene)
    }
  }

  @Test("everybody is in the variant of their bucket, gets its text and is counted in it")
  func split() async throws {
    try await scene(people: 60) { scene in
      try await scene.launch(PlanText.plan(#""holdout": 0.1, \#(Self.ab)"#))
      try await scene.drain()
      let out = try await scene.heldOut("hello")
      let warm = try await scene.ids { id in
        !out.contains(id) && Bucket.of(salt: "experiment:hello:hello", unit: id) >= 5000
      }
      let inside = 60 - out.count
      let texts = scene.herald.channel.messages.map { $0.content["body"]?.stringValue ?? "" }
      #expect(texts.count == inside && texts.filter { $0 == "Warm" }.count == warm.count)
      let books = try await scene.accounting()
      #expect(books["balanced"] == true)
      let arms = books["arms"]
      #expect(arms?["warm"]?["people"]?["targeted"]?.intValue == warm.count)
      #expect(arms?["warm"]?["steps"]?["hello"]?["sent"]?.intValue == warm.count)
      #expect(arms?["plain"]?["steps"]?["hello"]?["sent"]?.intValue == inside - warm.count)
      let report = try await scene.herald.call(
        .get, "/v1/plans/hello/report?by=variant", key: scene.admin)
      let rows = report.json["rows"]?.arrayValue ?? []
      #expect(rows.map { $0["key"]?.stringValue } == ["plain", "warm"])
      #expect(rows.last?["sent"]?.intValue == warm.count)
      let someone = warm.sorted().first ?? ""
      let told = try await scene.herald.call(
        .get, "/v1/users/\(someone)/explain?plan=hello", key: scene.admin)
      let named = told.json["decisions"]?.arrayValue?.map { $0["arm"]?.stringValue }
      #expect(Set(named ?? []) == ["warm"])
    }
  }

  @Test("of a crowd a share races, the others wait, and all of them get what did best")
  func crowd() async throws {
    try await scene(people: 120) { scene in
      try await scene.launch(PlanText.plan(Self.race(#""share": 0.5"#)))
      try await scene.drain()
      let racers = scene.herald.channel.messages.count
      #expect(racers > 30 && racers < 90)
      #expect(try await scene.pending(code: "race") == 120 - racers)
      try await scene.answer("Warm", "clicked")
      try await scene.drain(3599)
      #expect(scene.herald.channel.messages.count == racers)
      try await scene.drain(1, 2, 2)
      let rest = scene.herald.channel.messages.dropFirst(racers)
      #expect(rest.count == 120 - racers)
      #expect(Set(rest.map { $0.content["body"]?.stringValue }) == ["Warm"])
      let books = try await scene.accounting()
      #expect(books["balanced"] == true && books["people"]?["finished"] == 120)
      #expect(books["arms"]?["winner"]?["steps"]?["hello"]?["sent"]?.intValue == 120 - racers)
      let report = try await scene.herald.call(
        .get, "/v1/plans/hello/report?by=variant", key: scene.admin)
      let race = report.json["races"]?.arrayValue?.first
      #expect(race?["winner"] == "warm" && race?["status"] == "leading")
      #expect(race?["occurrence"] == "once")
    }
  }

  @Test("an answer after a person's own hour is none, and too few answers prolong the hour once")
  func insufficient() async throws {
    try await scene(people: 120) { scene in
      try await scene.launch(
        PlanText.plan(
          Self.race(#""share": 0.5, "if_insufficient": {"extend_until": "6h", "then": "first"}"#)))
      try await scene.drain(3600, 2, 2)
      let racers = scene.herald.channel.messages.count
      #expect(racers < 90)
      // Within the six hours: they would count, were they enough.
      try await scene.answer("Warm", "clicked", most: 5)
      try await scene.drain(3600 * 5 - 60)
      #expect(scene.herald.channel.messages.count == racers)
      try await scene.drain(60, 2, 2)
      let rest = scene.herald.channel.messages.dropFirst(racers)
      #expect(rest.count == 120 - racers)
      #expect(rest.allSatisfy { $0.content["body"]?.stringValue != "Warm" })
      let report = try await scene.herald.call(
        .get, "/v1/plans/hello/report?by=variant", key: scene.admin)
      #expect(report.json["races"]?.arrayValue?.first?["status"] == "insufficient")
    }
  }

  @Test("a stream is split until the decision, then everybody gets the winner")
  func stream() async throws {
    try await scene(people: 80) { scene in
      let trigger = #"{"event": "ordered", "occurrence": "any"}"#
      try await scene.launch(
        CampaignScene.triggered(
          trigger, Self.race(#""metric": "open_rate""#),
          steps: PlanText.step("hello", PlanText.push)))
      try await scene.events((0..<40).map { ("ordered", $0, 0, [:]) })
      try await scene.drain()
      let first = scene.herald.channel.messages.map { $0.content["body"]?.stringValue ?? "" }
      #expect(first.count == 40 && Set(first.map { $0 == "Warm" }) == [true, false])
      try await scene.answer("Warm", "opened")
      try await scene.drain(3600)
      // The next one there is decides; they were split already.
      try await scene.event("ordered", 40)
      try await scene.drain()
      try await scene.events((41..<80).map { ("ordered", $0, 0, [:]) })
      try await scene.drain()
      let later = scene.herald.channel.messages.dropFirst(41)
      #expect(later.count == 39 && Set(later.map { $0.content["body"]?.stringValue }) == ["Warm"])
      let books = try await scene.accounting()
      #expect(books["balanced"] == true)
      #expect(books["arms"]?["winner"]?["people"]?["finished"] == 39)
    }
  }

  @Test("a larger share only adds people to a variant")
  func growing() throws {
    let plan = { (share: String) in
      try PlanText.parse(PlanText.plan(Self.race(#""share": \#(share)"#)))
    }
    var previous: VariantDraw?
    for share in ["0.1", "0.25", "0.5", "1"] {
      let draw = VariantDraw(try #require(try plan(share).experiment), plan: "hello")
      if let previous {
        for bucket in 0..<10_000 where previous.arm(of: bucket) != Experiment.winner {
          #expect(previous.arm(of: bucket) == draw.arm(of: bucket))
        }
      }
      previous = draw
    }
    #expect(previous?.arm(of: 4999) == "plain" && previous?.arm(of: 5000) == "warm")
  }

  private static let faulty: [(String, Set<String>)] = [
    (
      #"""
      {"step": "z", "variants": [{"key": "winner", "templates": {}}, {"key": "y"}], "rate": 1}
      """#,
      [
        "/experiment/step", "/experiment/variants/0/key", "/experiment/variants/1/templates",
        "/experiment/rate",
      ]
    ),
    (
      #"""
      {"step": "hello", "variants": [{"key": "x", "templates": {"q": "w"}}, {"key": "x", "templates": {}}],
       "share": 0.1}
      """#,
      [
        "/experiment/variants/0/templates/q", "/experiment/variants/1/key", "/experiment/share",
      ]
    ),
    (
      #"""
      {"step": "hello", "mode": "race", "variants": [{"key": "x", "templates": {}},
        {"key": "y", "templates": {}}], "observe": "2h", "rule": "adaptive",
       "if_insufficient": {"extend_until": "1h", "then": "leader"}}
      """#, ["/experiment/share", "/experiment/rule", "/experiment/if_insufficient/extend_until"]
    ),
  ]

  @Test("every fault has its place", arguments: faulty)
  func faults(_ text: String, _ pointers: Set<String>) throws {
    let faults = Faults()
    let json = try JSONScanner.parse(Array(PlanText.plan(#""experiment": \#(text)"#).utf8))
    _ = PlanDocument.parse(json, faults: faults)
    #expect(Set(faults.all.map(\.pointer.description)) == pointers)
  }

  @Test("what a variant names must be there")
  func references() async throws {
    try await CampaignScene.with { scene in
      let answer = try await scene.write(PlanText.plan(Self.ab), by: scene.author)
      #expect(answer.status == 422)
      #expect(answer.pointers == ["/experiment/variants/1/templates/p"])
    }
  }
}

@Suite("Who wins a race") struct RaceRuleTests {
  private func decide(
    _ figures: [(Int, Int)], then: Experiment.Insufficient.Fallback? = nil, isOver: Bool = true
  ) -> String? {
    let race = Experiment.Race(
      share: 0.1, observe: TimeSpan.maximum, metric: .clickRate,
      rule: .highest,
      ifInsufficient: then.map { .init(extendUntil: TimeSpan("2h"), then: $0) })
    let seen = figures.enumerated().map {
      RaceRule.Figures(key: "v\($0.offset)", sent: $0.element.0, answered: $0.element.1)
    }
    return RaceRule(race: race).decide(seen, isOver: isOver).map {
      "\($0.winner) \($0.status.rawValue)"
    }
  }

  @Test("the highest estimate, in which a handful of people counts for little")
  func highest() {
    #expect(decide([(1000, 50), (1000, 60)]) == "v1 leading")
    #expect(decide([(1000, 150), (1000, 50), (10, 3)]) == "v0 leading")
    #expect(decide([(1000, 60), (1000, 60)]) == "v0 leading")
    #expect(decide([(500, 0), (500, 0)]) == "v0 insufficient")
  }

  @Test("too few answers wait, then the plan says who is sent")
  func insufficient() {
    #expect(decide([(100, 2), (100, 3)], then: .leader, isOver: false) == nil)
    #expect(decide([(100, 2), (100, 3)], then: .leader) == "v1 insufficient")
    #expect(decide([(100, 2), (100, 3)], then: .first) == "v0 insufficient")
    #expect(decide([(100, 2), (100, 3)], isOver: false) == "v1 insufficient")
  }
}

extension CampaignScene {
  /// A receipt for every delivery whose text was `body`, now.
  fileprivate func answer(_ body: String, _ event: String, most: Int = .max) async throws {
    let ids = herald.channel.messages.filter { $0.content["body"]?.stringValue == body }
      .map(\.deliveryID).prefix(most)
    try await herald.execute(
      """
      INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel, sender,
        received_at)
      SELECT user_id, id, \(event), \(herald.clock.now), run_id, step_id, plan, 'push', 'gw-push',
        \(herald.clock.now)
      FROM deliveries WHERE id = ANY(\(Array(ids)))
      """)
  }

  /// How many people's pending delivery is explained by `code`.
  fileprivate func pending(code: String) async throws -> Int {
    var count = 0
    for id in try await numbers().keys {
      let told = try await herald.call(.get, "/v1/users/\(id)/explain?plan=hello", key: admin)
      let last = told.json["decisions"]?.arrayValue?.last
      if last?["outcome"] == "pending", last?["code"]?.stringValue == code { count += 1 }
    }
    return count
  }
}
