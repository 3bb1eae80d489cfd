import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Journeys, from the launch to the books") struct JourneyTests {
  private static let push = PlanText.step("hello", PlanText.push)

  private func launch(
    _ scene: CampaignScene, _ steps: String..., people: Int = 1, more: String = ""
  ) async throws {
    try await scene.people(people)
    try await scene.launch(PlanText.plan(more, steps: steps.joined(separator: ",")))
    try await scene.drain()
  }

  @Test("the example of the product page: who pays is thanked, who does not gets a coupon")
  func example() async throws {
    try await CampaignScene.with { scene in
      try await scene.coupon("c", codes: 10)
      try await launch(
        scene, StepParsingTests.example, people: 3,
        more: #"""
          "goals": [{"stage": "convert", "event": "order_paid", "within": "3d", "primary": true}],
          "exit": {"on_goal": true, "on_leaving_audience": false},
          "limits": {"coupons": {"c": 5}}
          """#)
      #expect(scene.sent.count == 3)
      // u-0 pays while the nudge's chain goes on: the goal ends the way.
      scene.herald.clock.advance(by: 1)
      try await scene.event("order_paid", by: 0)
      try await scene.drain(600)
      // u-1 pays while the plan waits for just that: it goes on as written.
      try await scene.event("order_paid", by: 1)
      try await scene.drain()
      #expect(
        try await scene.visits() == [
          "later": "waiting 1, passed 1, event 1", "thanks": "passed 1, done 1",
        ])
      try await scene.drain(86_400)
      #expect(try await scene.people(of: "hello")["active"] == 0)
      #expect(try await scene.people()["exited"] == ["goal_reached": 1])
      #expect(try await scene.people()["finished"] == 2)
      #expect(try await scene.states() == ["completed"])
      #expect(
        try await scene.herald.count(
          "SELECT count(*) FROM user_tags WHERE tag = 'paid_after_nudge'") == 1)
      let steps = try await scene.accounting()["steps"]
      #expect(steps?["sweeten"]?["sent"] == 1)
      #expect(steps?["tell"]?["sent"] == 1)
      #expect(
        try await scene.decisions(1) == [
          "entered", "nudge sent", "later passed event", "thanks passed done", "finished",
        ])
      #expect(try await scene.decisions(0).last == "exited goal_reached")
      let paid = try await scene.herald.call(
        .get, "/v1/users/external_id:u-0/explain?plan=hello", key: scene.admin)
      let decisions = paid.json["decisions"]?.arrayValue
      #expect(decisions?.last?["values"]?["goal"] == "order_paid")
      #expect(decisions?.first?["values"]?["exit"] == nil)
    }
  }

  @Test("a wait lasts as long as it says; pause and kill switch hold it up, not lose it")
  func wait() async throws {
    try await CampaignScene.with { scene in
      try await launch(scene, #"{"id": "w", "wait": "1d"}"#, Self.push, people: 2)
      #expect(try await scene.visits() == ["w": "waiting 2"])
      try await scene.drain(86_399)
      #expect(scene.sent == [])
      _ = try await scene.herald.call(.post, "/v1/plans/hello/pause", key: scene.author)
      try await scene.drain(60)
      #expect(try await scene.visits() == ["w": "waiting 2"])
      #expect(try await scene.decisions(0).last == "w waiting parked")
      _ = try await scene.herald.call(.post, "/v1/plans/hello/resume", key: scene.author)
      _ = try await scene.herald.call(.post, "/v1/stop", ["reason": "test"], key: scene.admin)
      try await scene.drain(0)
      #expect(try await scene.visits() == ["w": "waiting 2"])
      _ = try await scene.herald.call(.post, "/v1/start", key: scene.admin)
      try await scene.drain(0)
      #expect(try await scene.visits() == ["w": "passed 2, time 2"])
      #expect(scene.sent.count == 2)
      #expect(try await scene.states() == ["completed"])
    }
  }

  @Test("paused before the end of a wait, it goes on waiting afterwards")
  func pausedWait() async throws {
    try await CampaignScene.with { scene in
      try await launch(scene, #"{"id": "w", "wait": "1d"}"#, Self.push)
      _ = try await scene.herald.call(.post, "/v1/plans/hello/pause", key: scene.author)
      try await scene.drain(3600)
      _ = try await scene.herald.call(.post, "/v1/plans/hello/resume", key: scene.author)
      try await scene.drain(0)
      #expect(scene.sent == [])
      try await scene.drain(82_800)
      #expect(scene.sent.count == 1)
    }
  }

  @Test("cancelled, everybody leaves from wherever they wait")
  func cancel() async throws {
    try await CampaignScene.with { scene in
      try await launch(scene, #"{"id": "w", "wait": "30d"}"#, Self.push, people: 3)
      _ = try await scene.herald.call(.post, "/v1/plans/hello/cancel", key: scene.author)
      try await scene.drain(0)
      #expect(try await scene.visits() == ["w": "exited 3, cancelled 3"])
      #expect(try await scene.people()["exited"] == ["cancelled": 3])
      #expect(try await scene.people()["active"] == 0)
    }
  }

  @Test("an event wakes who waits for it; late news counts, what came too late or does not fit not")
  func event() async throws {
    try await CampaignScene.with { scene in
      let until = #"""
        {"id": "u", "wait_until": {"event": "bought", "timeout": "2h",
          "where": [{"property": "amount", "gte": 100}]}, "then": "yes", "else": "no"}
        """#
      try await launch(
        scene, until, #"{"id": "yes", "tag": {"add": "big"}, "next": "end"}"#,
        #"{"id": "no", "exit": {"reason": "stubborn"}}"#, people: 4)
      try await scene.drain(600)
      try await scene.event("bought", by: 0, ["amount": 150])
      try await scene.event("bought", by: 1, ["amount": 50])
      try await scene.event("bought", by: 3, ["amount": 500], ago: 900)
      try await scene.drain()
      #expect(
        try await scene.visits()["u"] == "waiting 3, passed 1, event 1",
        "what happened before the entry does not count")
      // Told after the timeout is due but before anybody looked: it happened in time.
      scene.herald.clock.advance(by: 7200)
      try await scene.event("bought", by: 1, ["amount": 200], ago: 1800)
      try await scene.event("bought", by: 2, ["amount": 200], ago: 10)
      try await scene.drain()
      #expect(try await scene.visits()["u"] == "passed 4, event 2, timeout 2")
      #expect(try await scene.visits()["no"] == "exited 2, stubborn 2")
      #expect(try await scene.people()["exited"] == ["stubborn": 2])
      #expect(try await scene.people()["finished"] == 2)
    }
  }

  @Test("a branch asks the person, the entry and what became of earlier sends, in its order")
  func branch() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5) { n, user in
        if n == 1 { user["devices"] = [] }
      }
      let branch = #"""
        {"id": "b", "branch": [
          {"if": {"condition": {"attribute": "n", "eq": 0}}, "then": "zero"},
          {"if": {"step": "hello", "is": "skipped"}, "then": "unreached"},
          {"if": {"step": "hello", "is": "opened"}, "then": "end"},
          {"if": {"where": [{"property": "vip", "eq": true}],
                  "condition": {"attribute": "n", "gte": 3}}, "then": "vip"}], "else": "rest"}
        """#
      let ends = ["zero", "unreached", "vip", "rest"].map {
        #"{"id": "\#($0)", "exit": {"reason": "\#($0)"}}"#
      }
      try await scene.launch(
        PlanText.plan(
          steps: ([Self.push, #"{"id": "w", "wait": "1h"}"#, branch] + ends)
            .joined(separator: ",")))
      try await scene.drain()
      try await scene.herald.execute(
        """
        INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel,
          sender, received_at)
        SELECT d.user_id, d.id, 'clicked', d.created_at, run_id, step_id, plan, channel, sender,
          d.created_at
        FROM deliveries d JOIN identities i ON i.user_id = d.user_id AND i.value IN ('u-0', 'u-2')
        """)
      try await scene.herald.execute(
        """
        UPDATE enrolments SET "values" = '{"event": {"properties": {"vip": true}}}' WHERE user_id IN
          (SELECT user_id FROM identities WHERE value IN ('u-2', 'u-3'))
        """)
      try await scene.drain(3600)
      #expect(
        try await scene.visits()["b"] == "passed 5, else 1, end 1, unreached 1, vip 1, zero 1")
      #expect(
        try await scene.people()["exited"] == ["rest": 1, "unreached": 1, "vip": 1, "zero": 1])
      #expect(try await scene.people()["finished"] == 1)
    }
  }

  @Test("steps change attributes and tags; what does not fit fails and the way goes on")
  func changes() async throws {
    try await CampaignScene.with { scene in
      try await scene.put(
        "tags/tier",
        [
          "name": "Tier", "category": "custom", "type": "choice", "choices": ["gold", "silver"],
        ])
      try await launch(
        scene,
        #"{"id": "u", "update_user": {"attributes": {"stage": "warm", "name": null}}}"#,
        #"{"id": "t", "tag": {"add": "tier", "value": "gold"}}"#,
        #"{"id": "v", "tag": {"add": "fresh"}}"#, people: 2)
      #expect(
        try await scene.visits() == [
          "u": "passed 2, done 2", "t": "passed 2, done 2", "v": "passed 2, done 2",
        ])
      let user = try await scene.herald.call(.get, "/v1/users/external_id:u-0", key: scene.admin)
      #expect(user.json["attributes"] == ["n": 0, "stage": "warm"])
      #expect(user.json["tags"] == ["tier": "gold", "fresh": true])
      let refused = try await scene.write(
        PlanText.plan(steps: #"{"id": "t", "tag": {"add": "tier", "value": "lead"}}"#), key: "two",
        by: scene.author)
      #expect(refused.pointers == ["/steps/0/tag/value"])
    }
  }

  @Test("templates show what the person entered with")
  func properties() async throws {
    try await CampaignScene.with { scene in
      try await scene.put(
        "templates/p",
        ["channel": "push", "content": ["title": "Hi", "body": "Order {{ event.order_id }}"]])
      try await launch(scene, #"{"id": "w", "wait": "1h"}"#, Self.push)
      try await scene.herald.execute(
        """
        UPDATE enrolments SET "values" = '{"event": {"properties": {"order_id": "o-9"}}}'
        """)
      try await scene.drain(3600)
      #expect(scene.sent == ["u-0 push Order o-9"])
    }
  }

  @Test("who reaches a goal or leaves the audience leaves the plan, wherever they are")
  func exits() async throws {
    try await CampaignScene.with { scene in
      try await launch(
        scene, #"{"id": "w", "wait": "1h"}"#, Self.push, people: 4,
        more: #"""
          "audience": {"not": {"attribute": "gone", "eq": true}},
          "goals": [{"stage": "convert", "event": "bought", "within": "1d"}],
          "exit": {"on_goal": true, "on_leaving_audience": true}
          """#)
      scene.herald.clock.advance(by: 1)
      try await scene.event("bought", by: 0)
      try await scene.drain()
      #expect(try await scene.visits()["w"] == "waiting 3, exited 1, goal_reached 1")
      let gone = try await scene.herald.call(
        .patch, "/v1/users/external_id:u-1", ["attributes": ["gone": true]], key: scene.admin)
      #expect(gone.status == 200)
      // u-2 leaves while the message waits for its sender.
      _ = try await scene.herald.call(.post, "/v1/senders/gw-push/pause", key: scene.admin)
      try await scene.drain(3600)
      try await scene.event("bought", by: 2)
      _ = try await scene.herald.call(.post, "/v1/senders/gw-push/resume", key: scene.admin)
      try await scene.drain(60)
      #expect(scene.sent == ["u-3 push Hi 用户3"])
      let books = try await scene.accounting()
      #expect(books["steps"]?["hello"]?["skipped"] == ["goal_reached": 1])
      #expect(books["people"]?["exited"] == ["goal_reached": 2, "left_audience": 1])
      #expect(books["people"]?["finished"] == 1)
      #expect(books["balanced"] == true)
      let decided = try await scene.decisions(2)
      #expect(decided.suffix(2) == ["hello skipped goal_reached", "exited goal_reached"])
    }
  }
}
