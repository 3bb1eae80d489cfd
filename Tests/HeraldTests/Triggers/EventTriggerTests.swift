import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Event triggers") struct EventTriggerTests {
  private static let reminder = CampaignScene.triggered(
    #"""
    {"event": "order_submitted", "where": [{"property": "amount", "gte": 50}], "occurrence": "any",
     "unless": {"event": "order_paid", "within": "10m", "same": "order_id"}}
    """#,
    #"""
    "audience": {"not": {"tag": "tester"}},
    "reentry": {"limit": 1, "per": "1d", "key": "order_id"}
    """#,
    steps: PlanText.step(
      "nudge",
      #"{"channel": "push", "template": "p"}, "#
        + #"{"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}"#,
      #""not_after": "30m""#))

  @Test("ordered but not paid within 10 minutes: push, then SMS; who pays in time gets nothing")
  func reminder() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5)
      try await scene.tag("tester", 4)
      try await scene.launch(Self.reminder)
      #expect(try await scene.states() == ["live"])
      for n in 0..<3 {
        try await scene.event("order_submitted", n, ["order_id": "o-\(n)", "amount": 80])
      }
      try await scene.event("order_submitted", 3, ["order_id": "o-3", "amount": 10])
      try await scene.event("order_submitted", 4, ["order_id": "o-4", "amount": 99])
      try await scene.drain(300)
      #expect(scene.sent == [])
      #expect(try await scene.people() == "targeted 4, active 3, not_in_audience 1")
      try await scene.event("order_paid", 1, ["order_id": "o-1"])
      try await scene.event("order_paid", 2, ["order_id": "o-other"])
      try await scene.drain()
      #expect(
        try await scene.people()
          == "targeted 4, active 2, not_in_audience 1, unless_happened 1")
      try await scene.drain(299)
      #expect(scene.sent == [])
      try await scene.drain(1)
      #expect(scene.sent == ["u-0 push Hi 用户0", "u-2 push Hi 用户2"])
      try await scene.drain(600)
      #expect(
        scene.sent == ["u-0 push Hi 用户0", "u-0 sms Hi", "u-2 push Hi 用户2", "u-2 sms Hi"])
      #expect(
        try await scene.people()
          == "targeted 4, finished 2, not_in_audience 1, unless_happened 1")
    }
  }

  @Test("an event that is told late counts, up to the hand-over")
  func late() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T21:55:00Z")
      try await scene.people(2)
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "ordered", "unless": {"event": "paid", "within": "10m"}}"#,
          #""quiet_hours": {"from": "22:00", "until": "08:00", "zone": "UTC"}"#))
      try await scene.events([("ordered", 0, 0, [:]), ("ordered", 1, 0, [:])])
      // The waits are over; what follows has to wait for the morning.
      try await scene.drain(601)
      #expect(
        try await scene.herald.count("SELECT count(*) FROM deliveries WHERE status = 'pending'")
          == 2)
      try await scene.event("paid", 0, ago: 60)
      try await scene.event("paid", 1)
      try scene.at("2026-11-23T08:00:00Z")
      try await scene.drain()
      #expect(scene.sent == ["u-1 push Hi 用户1"])
      #expect(try await scene.people() == "targeted 2, finished 1, unless_happened 1")
      let skipped = try await scene.accounting()["steps"]?["hello"]?["skipped"]
      #expect(skipped == ["unless_happened": 1])
    }
  }

  @Test(
    "what is told so late that the first step is stale is not sent: not_after goes by the event")
  func stale() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      try await scene.tag("tester", 0, sets: false)
      try await scene.launch(Self.reminder)
      // Due ten minutes after the order, stale half an hour later.
      for (n, minutes) in [(0, 39.0), (1, 41), (2, 60 * 24 * 22), (3, 5)] {
        try await scene.event(
          "order_submitted", n, ago: minutes * 60, ["order_id": "o-\(n)", "amount": 80])
      }
      try await scene.drain()
      #expect(scene.sent == ["u-0 push Hi 用户0"])
      let told = try await scene.herald.call(
        .get, "/v1/plans/hello/deliveries?status=skipped", key: scene.admin)
      let codes = told.json["data"]?.arrayValue?.map { $0["reason"]?.stringValue }
      #expect(codes == ["expired", "expired"])
      // u-3 waits; nobody is at work when their time comes.
      try scene.at(scene.herald.clock.now.addingTimeInterval(36 * 60).rfc3339)
      try await scene.drain()
      #expect(try await scene.accounting()["steps"]?["nudge"]?["skipped"] == ["expired": 3])
      #expect(try await scene.accounting()["balanced"] == true)
    }
  }

  @Test("what happened before the window lets nobody in, told within it or not")
  func before() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T15:00:00Z")
      try await scene.people(3)
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "seen"}"#, #""window": {"from": "2026-11-22T16:00:00Z"}"#))
      try await scene.event("seen", 0)
      try scene.at("2026-11-22T16:10:00Z")
      try await scene.drain()
      try await scene.events([("seen", 1, 601, [:]), ("seen", 2, 600, [:])])
      #expect(try await scene.people() == "targeted 1, active 1")
    }
  }

  @Test("an event and what ends its wait count in any order within one batch, and before it not")
  func order() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.tag("tester", 0, sets: false)
      try await scene.launch(Self.reminder)
      let order: JSONValue = ["order_id": "o", "amount": 80]
      try await scene.events([
        ("order_paid", 0, 10, order), ("order_submitted", 0, 20, order),
        ("order_paid", 1, 20, order), ("order_submitted", 1, 10, order),
        // Both of one instant: what was told later came later.
        ("order_submitted", 2, 5, order), ("order_paid", 2, 5, order),
      ])
      try await scene.drain()
      #expect(try await scene.people() == "targeted 3, active 1, unless_happened 2")
      try await scene.drain(600)
      #expect(scene.sent == ["u-1 push Hi 用户1"])
    }
  }

  @Test("re-entries are counted by person and key, in the window, and refusals recorded")
  func reentry() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.tag("tester", 0, sets: false)
      try await scene.launch(Self.reminder)
      let first: JSONValue = ["order_id": "o-1", "amount": 80]
      let second: JSONValue = ["order_id": "o-2", "amount": 80]
      try await scene.events([
        ("order_submitted", 0, 0, first), ("order_submitted", 0, 0, first),
        ("order_submitted", 0, 0, second), ("order_submitted", 1, 0, first),
      ])
      try await scene.event("order_submitted", 0, first)
      #expect(try await scene.people() == "targeted 5, active 3, reentry_limit 2")
      scene.herald.clock.advance(by: 86_400)
      try await scene.event("order_submitted", 0, first)
      #expect(try await scene.people() == "targeted 6, active 4, reentry_limit 2")
      let told = try await scene.herald.call(
        .get, "/v1/users/external_id:u-0/explain?plan=hello", key: scene.admin)
      let refusal = told.json["decisions"]?.arrayValue?.first {
        $0["code"]?.stringValue == "reentry_limit"
      }
      #expect(refusal?["gate"]?.stringValue == "reentry")
      #expect(refusal?["values"]?["limit"]?.intValue == 1)
    }
  }

  @Test("no more people enter than the plan's limit, whoever asks at once, and the rest are told")
  func limited() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(60)
      try await scene.launch(
        CampaignScene.triggered(#"{"event": "seen"}"#, #""limits": {"audience": 5}"#))
      try await scene.events((0..<3).map { ("seen", $0, 0, [:]) })
      let processes = try (0..<4).map { _ in
        try HeraldInProcess(
          pool: TestDatabase.current.pool, clock: scene.herald.clock,
          channel: scene.herald.channel)
      }
      try await withThrowingTaskGroup(of: Int.self) { group in
        for n in 3..<59 {
          group.addTask {
            try await processes[n % 4].call(
              .post, "/v1/events",
              ["events": [["user": ["external_id": .string("u-\(n)")], "name": "seen"]]],
              key: scene.admin
            ).status
          }
        }
        for try await status in group { #expect(status == 200) }
      }
      try await scene.events([("seen", 59, 0, [:])])
      #expect(try await scene.people() == "targeted 60, active 5, audience_limit 55")
      let told = try await scene.herald.call(
        .get, "/v1/users/external_id:u-59/explain?plan=hello", key: scene.admin)
      let refusal = told.json["decisions"]?.arrayValue?.first
      #expect(refusal?["code"] == "audience_limit" && refusal?["gate"] == "limits")
      #expect(refusal?["values"]?["limit"]?.intValue == 5)
    }
  }

  @Test("who is refused for the limit is not told of entries that did not come about")
  func limitedAgain() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "seen"}"#, #""limits": {"audience": 2}, "reentry": {"limit": 1}"#))
      try await scene.events([
        ("seen", 0, 3, [:]), ("seen", 0, 2, [:]), ("seen", 1, 1, [:]), ("seen", 2, 0, [:]),
        ("seen", 2, 0, [:]), ("seen", 1, 0, [:]),
      ])
      #expect(
        try await scene.people()
          == "targeted 6, active 2, audience_limit 2, reentry_limit 2")
    }
  }

  @Test("calendar re-entry begins anew with the user's day")
  func calendar() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T15:00:00Z")
      try await scene.people(2) { n, user in
        user["time_zone"] = n == 0 ? "Asia/Shanghai" : "UTC"
      }
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "seen"}"#,
          #""reentry": {"limit": 1, "per": {"calendar": "day", "zone": "user"}}"#))
      for n in 0..<2 { try await scene.event("seen", n) }
      // Midnight in Shanghai.
      try scene.at("2026-11-22T16:00:00Z")
      for n in 0..<2 { try await scene.event("seen", n) }
      try await scene.drain()
      #expect(try await scene.people() == "targeted 4, finished 3, reentry_limit 1")
    }
  }

  @Test("however many processes take in a person's events at once, re-entry and first hold")
  func concurrent() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4)
      try await scene.launch(
        CampaignScene.triggered(#"{"event": "seen"}"#, #""reentry": {"limit": 2}"#), key: "twice")
      try await scene.launch(
        CampaignScene.triggered(#"{"event": "seen", "occurrence": "first"}"#), key: "first")
      let other = try HeraldInProcess(
        pool: TestDatabase.current.pool, clock: scene.herald.clock, channel: scene.herald.channel)
      let processes = [scene.herald, other]
      try await withThrowingTaskGroup(of: Int.self) { group in
        for turn in 0..<40 {
          group.addTask {
            let answer = try await processes[turn % 2].call(
              .post, "/v1/events",
              [
                "events": .array(
                  (0..<4).map {
                    ["user": ["external_id": "u-\(($0 + turn) % 4)"], "name": "seen"]
                  })
              ], key: scene.admin)
            return answer.status
          }
        }
        for try await status in group { #expect(status == 200) }
      }
      try await scene.drain()
      #expect(try await scene.people(of: "first") == "targeted 4, finished 4")
      #expect(
        try await scene.people(of: "twice") == "targeted 160, finished 8, reentry_limit 152")
      #expect(scene.sent.count == 12)
    }
  }

  @Test("the first occurrence is the first that is learnt of; history counts")
  func first() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.event("bought", 0)
      try await scene.launch(
        CampaignScene.triggered(#"{"event": "bought", "occurrence": "first", "delay": "1h"}"#))
      try await scene.events([("bought", 0, 0, [:]), ("bought", 1, 0, [:]), ("bought", 1, 0, [:])])
      try await scene.event("bought", 1, ago: 7200)
      #expect(try await scene.people() == "targeted 1, active 1")
      try await scene.drain(3599)
      #expect(scene.sent == [])
      try await scene.drain(1)
      #expect(scene.sent == ["u-1 push Hi 用户1"])
    }
  }

  @Test("messages show what the event said; the holdout gets none")
  func properties() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(40)
      try await scene.put(
        "templates/e",
        ["channel": "push", "content": ["title": "Order", "body": "{{ event.order_id }}"]])
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "ordered"}"#, #""holdout": 0.5"#,
          steps: PlanText.step("hello", #"{"channel": "push", "template": "e"}"#)))
      try await scene.events((0..<40).map { ("ordered", $0, 0, ["order_id": "o-\($0)"]) })
      try await scene.drain()
      let held = try await scene.herald.count(
        "SELECT count(*) FROM enrolments WHERE state = 'held_out' AND holdout_bucket < 5000")
      #expect((1...39).contains(held))
      #expect(scene.sent.count == 40 - held)
      #expect(
        scene.sent.allSatisfy { line in
          let words = line.split(separator: " ")
          return words[0].dropFirst(2) == words[2].dropFirst(2)
        })
    }
  }

  @Test("a paused plan takes nobody in, a resumed one does; cancelling ends waits")
  func steering() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(3)
      try await scene.tag("tester", 0, sets: false)
      try await scene.launch(Self.reminder)
      let order: JSONValue = ["order_id": "o", "amount": 80]
      try await scene.event("order_submitted", 0, order)
      for (verb, n) in [("pause", 1), ("resume", 2)] {
        let answer = try await scene.herald.call(
          .post, "/v1/plans/hello/\(verb)", key: scene.admin)
        #expect(answer.status == 200)
        try await scene.event("order_submitted", n, order)
      }
      #expect(try await scene.people() == "targeted 2, active 2")
      let answer = try await scene.herald.call(.post, "/v1/plans/hello/cancel", key: scene.admin)
      #expect(answer.status == 200)
      try await scene.event("order_submitted", 1, order)
      try await scene.drain()
      #expect(try await scene.people() == "targeted 2, cancelled 2")
      #expect(try await scene.states() == ["cancelled"])
    }
  }

  @Test("a plan opens with its window and is completed after it, once nobody is in it")
  func window() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(3)
      try await scene.launch(
        CampaignScene.triggered(
          #"{"event": "seen", "delay": "2h"}"#,
          #"""
          "window": {"from": "2026-11-22T10:00:00Z", "until": "2026-11-22T20:00:00Z"}
          """#))
      #expect(try await scene.states() == ["approved"])
      try await scene.event("seen", 0)
      try scene.at("2026-11-22T10:00:00Z")
      try await scene.drain()
      #expect(try await scene.states() == ["live"])
      try await scene.event("seen", 1)
      try await scene.drain(7200)
      #expect(scene.sent == ["u-1 push Hi 用户1"])
      try scene.at("2026-11-22T19:00:00Z")
      try await scene.event("seen", 2)
      try scene.at("2026-11-22T20:00:00Z")
      try await scene.drain()
      #expect(try await scene.states() == ["live"])
      try await scene.event("seen", 0)
      try await scene.drain(7200)
      #expect(try await scene.states() == ["completed"])
      #expect(try await scene.people() == "targeted 2, finished 2")
    }
  }

  @Test("people stay in the version they entered; new ones enter the new one")
  func versions() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.tag("tester", 0, sets: false)
      try await scene.launch(Self.reminder)
      let order: JSONValue = ["order_id": "o", "amount": 80]
      try await scene.event("order_submitted", 0, order)
      try await scene.launch(CampaignScene.triggered(#"{"event": "order_submitted"}"#))
      try await scene.event("order_submitted", 1, order)
      try await scene.drain()
      #expect(scene.sent == ["u-1 push Hi 用户1"])
      // Also the old version's wait is ended by its event.
      try await scene.event("order_paid", 0, order)
      try await scene.drain(600)
      #expect(scene.sent == ["u-1 push Hi 用户1"])
      #expect(try await scene.people() == "targeted 2, finished 1, unless_happened 1")
    }
  }

  @Test("imported history fires nothing")
  func history() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.launch(CampaignScene.triggered(#"{"event": "seen"}"#))
      let matching = TriggerMatching {}
      let now = scene.herald.clock.now
      let user = try await scene.herald.app.db.read {
        try $0.one("SELECT id FROM users")?.get(0, as: UUID.self)
      }
      let event = StoredEvent(
        id: UUID(), user: try #require(user), name: "seen", timestamp: now, receivedAt: now,
        properties: Array("{}".utf8), context: nil)
      for isLive in [false, true] {
        try await scene.herald.app.db.pool.write { tx in
          try matching.observe([event], isLive: isLive, now: now, in: tx)
        }
        #expect(
          try await scene.herald.count("SELECT count(*) FROM enrolments") == (isLive ? 1 : 0))
      }
    }
  }
}
