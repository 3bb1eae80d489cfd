import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("What an approver reads with a submission") struct AttachmentTests {
  private static func findings(_ approval: JSONValue) -> [String] {
    (approval["lint"]?.arrayValue ?? []).map {
      "\($0["level"]?.stringValue ?? "") \($0["code"]?.stringValue ?? "") \($0["template"]?.stringValue ?? "")"
    }
  }

  @Test("the difference reads as sentences, steps and templates by their names")
  func difference() async throws {
    try await CampaignScene.with { scene in
      let steps = PlanText.steps(
        PlanText.step("hello", PlanText.push), PlanText.step("more", PlanText.push))
      try await scene.draft(PlanText.plan(steps: steps))
      let first = try await scene.submit()
      let new = try await scene.approval(first)["diff"]?.arrayValue ?? []
      #expect(new.map { $0["pointer"] } == [""])
      #expect(new.first?["text"]?.stringValue?.contains("everything is new") == true)
      #expect(try await scene.approve(first).status == 200)
      try await scene.put(
        "templates/p", ["channel": "push", "content": ["title": "Hi", "body": "Other"]])
      let changed = PlanText.steps(
        PlanText.step("hello", PlanText.push, #""not_after": "1h""#),
        PlanText.step("last", PlanText.push))
      try await scene.draft(PlanText.plan(#""priority": 60"#, steps: changed))
      let diff = try await scene.approval(scene.submit())["diff"]?.arrayValue ?? []
      let texts = Set(diff.compactMap { $0["text"]?.stringValue })
      #expect(texts.contains("priority is new: 60"))
      #expect(
        texts.contains(
          "template 'p', content, body: “Hi {{ user.name | default: 'you' }}” becomes “Other”"))
      #expect(texts.contains("step 'hello', not after is new: “1h”"))
      #expect(texts.contains { $0.hasPrefix("step 'more' is gone; it was {") })
      #expect(texts.contains { $0.hasPrefix("step 'last' is new: {") })
    }
  }

  @Test("people who lack a variable are counted, and what becomes of them is said")
  func missing() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(5) { n, user in
        user["attributes"] = n < 2 ? ["name": "x"] : [:]
      }
      try await scene.put(
        "templates/p",
        [
          "channel": "push", "on_missing": "skip",
          "content": ["title": "{{ user.name }}", "body": "{{ event.amount }} {{ plan.key }}"],
        ])
      try await scene.draft(PlanText.plan())
      let approval = try await scene.approval(scene.submit())
      #expect(approval["dry_run"]?["missing_variables"] == ["user.name": 3])
      #expect(
        Self.findings(approval) == ["error unknown_variable p", "warning missing_variable p"])
      let text = approval["lint"]?.arrayValue?.last?["text"]?.stringValue ?? ""
      #expect(text.contains("3 of 5 people have no user.name; they are skipped."))
    }
  }

  @Test("events that never came are told, with the name that was meant")
  func unseenEvents() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      let events: JSONValue = [
        "events": [["message_id": "m-1", "user": ["external_id": "u-0"], "name": "order_paid"]]
      ]
      let answer = try await scene.herald.call(.post, "/v1/events", events, key: scene.admin)
      try #require(answer.status == 200)
      try await scene.herald.execute(
        """
        INSERT INTO catalogue_events (name, count, flagged, first_seen, last_seen, updated_at)
        VALUES ('order_paid', 1, 0, now(), now(), now())
        """)
      try await scene.draft(
        #"""
        {"name": "Unpaid", "trigger": {"event": "order_paid",
          "unless": {"event": "order_payd", "within": "10m"}}, "reentry": {"limit": 1, "per": "1d"},
          "goals": [{"stage": "convert", "event": "never", "within": "1d", "primary": true}],
          "steps": [{"id": "tell", "send": {"chain": [{"channel": "push", "template": "p"}]}}]}
        """#)
      let lint = try await scene.approval(scene.submit())["lint"]?.arrayValue ?? []
      let unseen = lint.filter { $0["code"] == "unseen_event" }
      #expect(unseen.map { $0["field"] } == ["/goals/0/event", "/trigger/unless"])
      #expect(unseen.allSatisfy { $0["template"] == .null && $0["level"] == "warning" })
      #expect(
        unseen.last?["text"] == "No event 'order_payd' came so far; did you mean 'order_paid'?")
    }
  }

  @Test("a property that no event had is told, where the plan goes by it and where it shows it")
  func unseenProperties() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.event("order_submitted", 0, ["order_id": "o-1", "amount": 5])
      try await scene.event("order_paid", 0, ["order_id": "o-1"])
      _ = try await Catalogue(db: scene.herald.app.db).fold(now: scene.herald.clock.now)
      try await scene.put(
        "templates/p",
        ["channel": "push", "content": ["title": "Hi", "body": "Order {{ event.orderid }}"]])
      func plan(_ id: String, _ amount: String) -> String {
        CampaignScene.triggered(
          #"""
          {"event": "order_submitted", "where": [{"property": "\#(amount)", "gte": 1}],
           "unless": {"event": "order_paid", "within": "10m", "same": "\#(id)"}}
          """#, #""reentry": {"limit": 1, "key": "\#(id)"}"#)
      }
      try await scene.draft(plan("orderid", "amuont"))
      let lint = try await scene.approval(scene.submit())["lint"]?.arrayValue ?? []
      let unseen = lint.filter { $0["code"] == "unseen_property" }
      #expect(
        unseen.map { "\($0["template"]?.stringValue ?? "-") \($0["field"]?.stringValue ?? "")" }
          == [
            "- /trigger/where", "- /trigger/unless/same", "- /trigger/unless/same",
            "- /reentry/key", "p ",
          ])
      #expect(unseen.first?["text"]?.stringValue?.hasSuffix("did you mean 'amount'?") ?? false)
      // What a message will look like.
      try await scene.put(
        "templates/p",
        ["channel": "push", "content": ["title": "Hi", "body": "Order {{ event.order_id }}"]])
      try await scene.draft(plan("order_id", "amount"))
      let approval = try await scene.approval(scene.submit())
      #expect(
        !(approval["lint"]?.arrayValue ?? []).contains { $0["code"] == "unseen_property" })
      let samples = approval["dry_run"]?["samples"]?.arrayValue
      #expect(samples?.map { $0["content"]?["body"] } == ["Order o-1"])
    }
  }

  @Test("what is archived is neither submitted nor used by what is")
  func archived() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.draft(PlanText.plan())
      _ = try await scene.herald.call(.delete, "/v1/plans/hello", key: scene.author)
      let refused = try await scene.submit()
      #expect(refused.code == "wrong_state")
      try await scene.draft(PlanText.plan())
      _ = try await scene.herald.call(.delete, "/v1/segments/crowd", key: scene.author)
      let gone = try await scene.submit()
      #expect(gone.status == 422)
      #expect(gone.json["errors"]?.arrayValue?.first?["pointer"] == "/trigger/segment")
    }
  }

  @Test("a launch whose instant has passed is told; a later one and one at once are not")
  func passedLaunch() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      let now = scene.herald.clock.now
      for (at, isTold) in [
        (now.addingTimeInterval(-1).rfc3339, true), (now.addingTimeInterval(60).rfc3339, false),
        ("now", false),
      ] {
        try await scene.draft(
          PlanText.plan().replacingOccurrences(of: #""at": "now""#, with: #""at": "\#(at)""#))
        let lint = try await scene.approval(scene.submit())["lint"]?.arrayValue ?? []
        let told = lint.filter { $0["code"] == "launch_passed" }
        #expect(told.map { $0["field"] } == (isTold ? ["/trigger/at"] : []), "\(at)")
      }
    }
  }

  @Test("what nobody would ever enter by is told: times that are over, a date nobody has")
  func never() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(1) { _, user in
        user["attributes"] = ["birthday": "1984-02-29", "name": "Li"]
      }
      _ = try await Catalogue(db: scene.herald.app.db).fold(now: scene.herald.clock.now)
      let daily = #""cron": "0 10 * * *", "zone": "UTC""#
      for (trigger, more, told) in [
        (#"{"segment": "crowd", \#(daily), "until": "2026-11-21T00:00:00Z"}"#, "", "no_occurrence"),
        (
          #"{"segment": "crowd", \#(daily)}"#, #""window": {"until": "2026-11-22T09:00:00Z"}"#,
          "no_occurrence"
        ),
        (#"{"segment": "crowd", \#(daily)}"#, #""window": {"until": "2026-11-22T11:00:00Z"}"#, nil),
        (
          #"{"segment": "crowd", \#(daily)}"#,
          #""window": {"from": "2026-11-22T10:00:00Z", "until": "2026-11-22T10:30:00Z"}"#, nil
        ),
        (#"{"event": "seen"}"#, #""window": {"until": "2026-11-21T11:00:00Z"}"#, "window_over"),
        (
          #"{"segment": "crowd", "at": "2026-11-22T10:00:00Z"}"#,
          #""window": {"until": "2026-11-22T09:30:00Z"}"#, "window_over"
        ),
        (#"{"date": "birthday", "at": "10:00"}"#, "", nil),
        (#"{"date": "brithday", "at": "10:00"}"#, "", "no_dates"),
        (#"{"date": "name", "at": "10:00"}"#, "", "no_dates"),
      ] as [(String, String, String?)] {
        try await scene.draft(CampaignScene.triggered(trigger, more))
        let lint = try await scene.approval(scene.submit())["lint"]?.arrayValue ?? []
        let codes = ["no_occurrence", "window_over", "no_dates"].filter { code in
          lint.contains { $0["code"]?.stringValue == code }
        }
        #expect(codes == (told.map { [$0] } ?? []), "\(trigger) \(more)")
        if trigger.contains("brithday") {
          #expect(
            lint.contains { $0["text"]?.stringValue?.contains("did you mean 'birthday'?") ?? false }
          )
        }
      }
    }
  }

  @Test("a way to unsubscribe that has no address is told")
  func noWayOut() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.put(
        "templates/p",
        ["channel": "push", "content": ["title": "Hi", "body": "Stop: {{ unsubscribe_url }}"]])
      try await scene.draft(PlanText.plan())
      let db = scene.herald.app.db
      let author = Caller(keyID: UUID(), principal: "li.lei", role: .operator)
      let approval = try await Approvals(db: db, offersUnsubscribing: false).submit(
        plan: "hello", comment: nil, by: author, now: scene.herald.clock.now)
      #expect(approval.lint.arrayValue?.contains { $0["code"] == "no_public_url" } == true)
    }
  }

  @Test("words that the settings forbid, links that lead nowhere, long and unsigned messages")
  func content() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(1)
      try await scene.settings(["content": ["forbidden_words": ["最好", "FREE"]]])
      try await scene.put(
        "templates/p",
        [
          "channel": "push",
          "content": [
            "title": "Free for you", "body": "See http://example.com/a. Or https://localhost/x",
            "url": "https://10.0.0.1/{{ user.id }}",
          ],
        ])
      let long = String(repeating: "春", count: 70)
      try await scene.put("templates/m", ["channel": "sms", "content": ["text": .string(long)]])
      try await scene.put(
        "templates/signed",
        ["channel": "sms", "content": ["text": .string(long), "signature": "最好"]])
      let chain = #"""
        {"channel": "push", "template": "p"}, {"channel": "sms", "template": "m"},
        {"channel": "sms", "template": "signed"}
        """#
      try await scene.draft(PlanText.plan(steps: PlanText.step("hello", chain)))
      let approval = try await scene.approval(scene.submit())
      #expect(
        Set(Self.findings(approval)) == [
          "error forbidden_word p", "error forbidden_word signed", "error private_link p",
          "error broken_link p", "warning insecure_link p", "warning no_signature m",
          "info sms_parts m", "warning sms_parts signed",
        ])
      // A finding stops nobody.
      let submitted = try await scene.herald.call(
        .get, "/v1/approvals?state=pending", key: scene.approver)
      #expect(submitted.json["data"]?.arrayValue?.count == 1)
    }
  }

  @Test("other plans on the same channel and days are named with the people they share")
  func calendar() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(10) { n, user in if n == 9 { user["devices"] = [] } }
      try await scene.put(
        "segments/old",
        ["name": "O", "condition": ["attribute": "n", "gte": 4], "refresh": "live"])
      func plan(_ segment: String, _ day: Int, _ channel: String, _ template: String) -> String {
        let at = Date(timeIntervalSince1970: 1_793_000_000 + Double(day) * 86_400).rfc3339
        return #"""
          {"name": "N", "trigger": {"segment": "\#(segment)", "at": "\#(at)"},
           "steps": [{"id": "s", "send": {"chain": [{"channel": "\#(channel)", "template": "\#(template)"}]}}]}
          """#
      }
      // More than are told, earlier on that day, of people who are no longer there.
      try await scene.put(
        "segments/gone",
        ["name": "G", "condition": ["attribute": "n", "gte": 100], "refresh": "live"])
      for n in 0..<21 { try await scene.launch(plan("gone", 3, "push", "p"), key: "gone-\(n)") }
      try await scene.launch(plan("old", 3, "push", "p"), key: "same")
      try await scene.launch(plan("old", 4, "push", "p"), key: "later")
      try await scene.launch(plan("old", 3, "sms", "m"), key: "other-channel")
      try await scene.draft(plan("crowd", 3, "push", "p"))
      let dry = try await scene.herald.call(.post, "/v1/plans/hello/dry-run", key: scene.author)
      let overlaps = dry.json["overlaps"]?.arrayValue ?? []
      #expect(overlaps.map { $0["plan"] } == ["same"])
      #expect(overlaps.first?["people"] == ["push": 5])
      let calendar = dry.json["calendar"]?.arrayValue ?? []
      #expect(calendar.count == 1)
      #expect(
        calendar.first?["plans"] == [["plan": "same", "channel": "push", "people": 5]])
      let approval = try await scene.approval(scene.submit())
      #expect(approval["dry_run"]?["calendar"] == dry.json["calendar"])
    }
  }

  @Test("a plan that comes round reaches people on the days of its schedule")
  func days() throws {
    let now = Date(timeIntervalSince1970: 1_793_000_000)
    let zone = try #require(TimeZone(identifier: "Asia/Shanghai"))
    func days(_ text: String) throws -> Int {
      try PlanDays(PlanText.parse(text), launchAt: nil, busyFor: 0, zone: zone, now: now).days.count
    }
    func plan(_ trigger: String) -> String {
      #"{"name": "N", "trigger": \#(trigger), "steps": [\#(PlanText.step("s", PlanText.push))]}"#
    }
    #expect(try days(plan(#"{"segment": "crowd", "at": "now"}"#)) == 1)
    // Whether ten o'clock of today is over.
    #expect(
      30...31
        ~= (try days(plan(#"{"segment": "crowd", "cron": "0 10 * * *", "zone": "Asia/Shanghai"}"#)))
    )
    #expect(
      4...5 ~= (try days(plan(#"{"segment": "crowd", "cron": "0 10 * * 1", "zone": "user"}"#))))
    #expect(try days(plan(#"{"event": "order_paid"}"#)) == PlanDays.horizon)
  }
}
