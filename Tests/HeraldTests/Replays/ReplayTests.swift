import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Replays") struct ReplayTests {
  private static let steps = #"""
    {"id": "nudge", "not_after": "30m", "send": {"chain": [{"channel": "push", "template": "p"},
      {"channel": "sms", "template": "m", "after": "10m", "unless": "delivered"}]}},
    {"id": "later", "wait_until": {"event": "order_paid", "timeout": "2h"}, "then": "thanks",
     "else": "rest"},
    {"id": "rest", "wait": "30m"},
    {"id": "fork", "branch": [{"if": {"where": [{"property": "amount", "gte": 100}]}, "then": "big"}],
     "else": "tell"},
    {"id": "big", "send": {"chain": [{"channel": "sms", "template": "m"}]}, "next": "end"},
    {"id": "tell", "send": {"chain": [{"channel": "push", "template": "p"}]}, "next": "end"},
    {"id": "thanks", "wait": "5m", "next": "end"}
    """#

  private static let plan = CampaignScene.triggered(
    #"""
    {"event": "ordered", "where": [{"property": "amount", "gte": 50}],
     "unless": {"event": "order_paid", "within": "10m", "same": "order"}}
    """#,
    #"""
    "goals": [{"stage": "convert", "event": "left", "within": "1d"}], "exit": {"on_goal": true},
    "audience": {"not": {"event": "ordered", "count": {"gte": 4}, "within": "1h"}},
    "reentry": {"limit": 2, "per": "3h"}, "holdout": 0.2,
    "quiet_hours": {"from": "12:00", "until": "12:30", "zone": "UTC"}
    """#, steps: steps)

  @Test("says of a day's events what the plan did, line by line, and changes nothing")
  func agrees() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T10:00:00.000Z")
      try await scene.people(24) { n, user in
        // Some have no device, some no consent.
        if n % 5 == 0 { user["devices"] = [] }
        if n % 7 == 0 { user["consents"] = ["sms": "denied", "push": "granted"] }
      }
      try await scene.launch(Self.plan)
      let start = scene.herald.clock.now
      var random = SeededRandom(seed: 20_261_122)
      for minute in 0..<300 {
        for n in 0..<24 {
          switch Int(random.next() % 900) {
          case 0..<30:
            try await scene.event(
              "ordered", n,
              [
                "order": .string("o-\(minute / 7)"), "amount": .int(Int(random.next() % 160)),
              ])
          case 30..<40:
            try await scene.event("order_paid", n, ["order": .string("o-\(minute / 7)")])
          case 40..<42: try await scene.event("left", n)
          default: break
          }
        }
        try await scene.drain(60)
      }
      let before = try await scene.fingerprints()
      let answer = try await scene.replay(from: start, until: scene.herald.clock.now)
      #expect(answer.status == 200, "\(String(decoding: answer.bytes, as: UTF8.self))")
      #expect(try await scene.fingerprints() == before)
      let books = try await scene.accounting()
      for figure in ["targeted", "held_out", "skipped_at_entry", "active", "finished", "exited"] {
        #expect(answer.json["people"]?[figure] == books["people"]?[figure], "\(figure)")
      }
      #expect((books["people"]?["exited"]?["goal_reached"]?.intValue ?? 0) > 0)
      #expect((books["people"]?["exited"]?["unless_happened"]?.intValue ?? 0) > 0)
      let real = try await scene.handovers()
      #expect(real.count > 20)
      let told = try await scene.lines(from: start).filter { $0["outcome"] == "sent" }
      let replayed = told.map { line in
        ["user", "step", "channel", "at"].map { line[$0]?.stringValue ?? "" }
          .joined(separator: " ")
      }
      #expect(replayed.sorted() == real)
    }
  }

  @Test("a crowd that comes again and again is asked as of each occurrence")
  func recurring() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-20T00:00:00Z")
      try await scene.people(3)
      let start = scene.herald.clock.now
      try await scene.event("visited", 0)
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.event("visited", 1)
      try scene.at("2026-11-24T00:00:00Z")
      try await scene.put(
        "segments/visitors",
        [
          "name": "Visitors", "condition": ["event": "visited", "within": "36h"], "refresh": "live",
        ])
      try await scene.draft(
        CampaignScene.triggered(
          #"{"segment": "visitors", "cron": "0 10 * * *", "zone": "UTC"}"#))
      let lines = try await scene.lines(from: start)
      let people = try await scene.numbers()
      let told = lines.map { line in
        let number = people[line["user"]?.stringValue ?? ""].map(String.init) ?? "?"
        return "\(number) \(line["outcome"]?.stringValue ?? "") \(line["at"]?.stringValue ?? "")"
      }
      #expect(
        told == [
          "0 sent 2026-11-20T10:00:00.000Z", "0 sent 2026-11-21T10:00:00.000Z",
          "1 sent 2026-11-22T10:00:00.000Z", "1 sent 2026-11-23T10:00:00.000Z",
        ])
    }
  }

  @Test("pages join to the whole, which CSV gives at once")
  func pages() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(9)
      let start = scene.herald.clock.now
      try await scene.events((0..<9).map { ("ordered", $0, 0, [:]) })
      scene.herald.clock.advance(by: 60)
      try await scene.draft(CampaignScene.triggered(#"{"event": "ordered"}"#))
      let until = scene.herald.clock.now
      let whole = try await scene.replay(from: start, until: until)
      #expect(whole.json["data"]?.arrayValue?.count == 9 && whole.json["next"] == .null)
      var joined: [JSONValue] = []
      var query = "limit=4"
      while true {
        let page = try await scene.replay(from: start, until: until, query)
        joined += page.json["data"]?.arrayValue ?? []
        guard let next = page.json["next"]?.stringValue else { break }
        query = "limit=4&after=\(next)"
      }
      #expect(.array(joined) == whole.json["data"])
      let csv = try await scene.replay(from: start, until: until, "format=csv")
      let text = String(decoding: csv.bytes, as: UTF8.self)
      #expect(text.split(separator: "\r\n").count == 10)
    }
  }

  @Test("what cannot be replayed is refused with its place")
  func refusals() async throws {
    try await CampaignScene.with { scene in
      let now = scene.herald.clock.now
      try await scene.draft(CampaignScene.triggered(#"{"event": "ordered"}"#))
      let cases: [(Date, Date, String)] = [
        (now, now.addingTimeInterval(-60), "/until"),
        (now.addingTimeInterval(-60), now.addingTimeInterval(60), "/until"),
        (now.addingTimeInterval(-400 * 86_400), now, "/from"),
      ]
      for (from, until, pointer) in cases {
        let answer = try await scene.replay(from: from, until: until)
        #expect(answer.status == 422 && answer.pointers == [pointer])
      }
      try await scene.draft(CampaignScene.triggered(#"{"api": true}"#), key: "called")
      let answer = try await scene.herald.call(
        .post, "/v1/plans/called/replay",
        ["from": .instant(now.addingTimeInterval(-60)), "until": .instant(now)], key: scene.author)
      #expect(answer.status == 409 && answer.code == "wrong_state")
      try await scene.people(1)
      try await scene.execute(
        """
        INSERT INTO events (user_id, name, ts, id, source, received_at)
        SELECT u.id, 'ordered', \(now.addingTimeInterval(-3600)) + n * interval '0.1 s',
          gen_random_uuid(), 'api', \(now)
        FROM users u, generate_series(1, 5001) AS n
        """)
      let large = try await scene.replay(from: now.addingTimeInterval(-7200), until: now)
      #expect(large.status == 409 && large.json["pointer"] == "/until")
    }
  }
}

extension CampaignScene {
  fileprivate func replay(
    from: Date, until: Date, _ query: String = "limit=200"
  ) async throws -> HeraldInProcess.Answer {
    try await herald.call(
      .post, "/v1/plans/hello/replay?\(query)",
      ["from": .instant(from), "until": .instant(until)], key: author)
  }

  /// All lines up to now.
  fileprivate func lines(from: Date) async throws -> [JSONValue] {
    var lines: [JSONValue] = []
    var query = "limit=200"
    while true {
      let page = try await replay(from: from, until: herald.clock.now, query)
      try #require(page.status == 200, "\(String(decoding: page.bytes, as: UTF8.self))")
      lines += page.json["data"]?.arrayValue ?? []
      guard let next = page.json["next"]?.stringValue else { return lines }
      query = "limit=200&after=\(next)"
    }
  }

  /// `user step channel at` of what was really handed over, sorted.
  fileprivate func handovers() async throws -> [String] {
    try await herald.app.db.read { db in
      try db.query(
        """
        SELECT d.user_id, d.step_id, a.channel, a.started_at FROM attempts a
        JOIN deliveries d ON d.id = a.delivery_id WHERE a.status = 'sent'
        """
      ).map { row in
        let at: Date = try row.get("started_at")
        return [
          try row.get("user_id", as: UUID.self).text, try row.get("step_id"),
          try row.get("channel"), JSONValue.instant(at).stringValue ?? "",
        ].joined(separator: " ")
      }.sorted()
    }
  }

  /// Of every table, how many rows it has and a digest over them.
  fileprivate func fingerprints() async throws -> [String: String] {
    let tables = try await herald.app.db.read { db in
      try db.query(
        "SELECT relname::text FROM pg_stat_user_tables WHERE schemaname = 'public' ORDER BY 1"
      ).map { try $0.get(0, as: String.self) }
    }
    var prints: [String: String] = [:]
    for table in tables {
      prints[table] = try await herald.app.db.read { db in
        try db.one(
          SQL(
            """
            SELECT count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '')
              FROM \(identifier: table) AS t
            """
          ).unprepared())?.get(0, as: String.self) ?? ""
      }
    }
    return prints
  }

  fileprivate func execute(_ sql: SQL) async throws { try await herald.execute(sql) }
}
