import Foundation
import HTTP
import JSON
import Logging
import Postgres
import Testing

@testable import Herald

@Suite("Months of the large tables") struct PartitionTests {
  /// 2026-10-26
  private static let start = PeopleAPI.now

  private func names(_ table: String, _ api: PeopleAPI) async throws -> [String] {
    try await api.db.read { db in
      try PartitionStore.months(
        of: try #require(PartitionedTable(rawValue: table)), in: db
      ).sorted().map(\.suffix)
    }
  }

  private func partitions(_ api: PeopleAPI, _ change: (inout Retention) -> Void) -> Partitions {
    var settings = ProjectSettings()
    change(&settings.retention)
    let fixed = settings
    return Partitions(db: api.db, settings: { fixed }, logger: .init(label: "tests"))
  }

  private func event(_ message: String, _ at: Date) -> JSONValue {
    [
      "events": [
        [
          "message_id": .string(message), "user": ["external_id": "u"], "name": "e",
          "timestamp": .instant(at),
        ]
      ]
    ]
  }

  @Test("are made known to the planner as soon as there is something in them")
  func statistics() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u")
      try await api.partitions.make(now: Self.start)
      #expect(try await !api.partitions.analyzeNew())
      _ = try await api.db.pool.write { tx in
        try tx.execute(
          """
          INSERT INTO events (user_id, name, ts, id, source, received_at)
          SELECT u.id, 'viewed', \(Self.start), gen_random_uuid(), 'api', \(Self.start)
          FROM users u, generate_series(1, 1500)
          """)
      }
      // PostgreSQL counts a little later.
      var isDone = false
      for _ in 0..<300 where !isDone {
        isDone = try await api.partitions.analyzeNew()
        if !isDone { try await Task.sleep(for: .milliseconds(100)) }
      }
      #expect(isDone)
      let known = try await api.count(
        "SELECT max(reltuples)::bigint FROM pg_class WHERE relname LIKE 'events\\_2%' AND relkind = 'r'"
      )
      #expect(known == 1500)
    }
  }

  @Test("may be made while rows of theirs are on their way into the default partition")
  func onTheWay() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u")
      let old = Self.start.addingTimeInterval(-200 * 86_400)
      async let writing: Void = api.db.pool.write { tx in
        // Recent ones first, for a while: where the others belong was looked up before.
        try tx.execute(
          """
          INSERT INTO events (user_id, name, ts, id, source, received_at)
          SELECT u.id, 'viewed',
            CASE WHEN n < 4 THEN \(Self.start)::timestamptz ELSE \(old)::timestamptz END,
            gen_random_uuid(), pg_sleep(0.2)::text || 'api', now()
          FROM users u, generate_series(1, 4) AS n
          """)
      }
      try await Task.sleep(for: .milliseconds(300))
      try await api.partitions.make([Month(of: old)], of: .events)
      try await writing
      #expect(try await api.count("SELECT count(*) FROM events") == 4)
    }
  }

  @Test("are made ahead of the clock, over the end of a year, by any number of processes")
  func ahead() async throws {
    try await PeopleAPI.with { api in
      for months in [0, 0, 2] {
        let now = Self.start.addingTimeInterval(Double(months) * 31 * 86_400)
        async let one: Void = api.partitions.make(now: now)
        async let other: Void = api.partitions.make(now: now)
        _ = try await (one, other)
      }
      for table in PartitionedTable.allCases {
        let made = try await names(table.rawValue, api)
        #expect(made == ["202610", "202611", "202612", "202701", "202702"])
      }
    }
  }

  @Test("take over what had strayed into the default partition before they were there")
  func strays() async throws {
    try await PeopleAPI.with { api in
      let old = try #require(Date(rfc3339: "2025-03-10T00:00:00Z"))
      for n in 0..<120 {
        _ = try await api.call(.post, "/v1/events", event("m\(n)", old))
      }
      let odd = try #require(Date(rfc3339: "2019-03-10T00:00:00Z"))
      _ = try await api.call(.post, "/v1/events", event("odd", odd))
      #expect(try await api.count("SELECT count(*) FROM events_default") == 121)
      try await api.partitions.make(now: Self.start)
      #expect(try await names("events", api).contains("202503"))
      #expect(try await api.count("SELECT count(*) FROM events_202503") == 120)
      #expect(try await api.count("SELECT count(*) FROM events_default") == 1)
      #expect(try await api.count("SELECT count(*) FROM events") == 121)
    }
  }

  @Test("are made by an import for the history it brings")
  func imports() async throws {
    try await PeopleAPI.with(batchSize: 10) { api in
      let lines = (1...36).map { n in
        let (year, month) = (n - 1).quotientAndRemainder(dividingBy: 12)
        return
          #"{"user":{"external_id":"u"},"name":"e","timestamp":"\#(2009 + year)-\#(month < 9 ? "0" : "")\#(month + 1)-15T00:00:00Z"}"#
      }
      _ = try await api.call(
        .post, "/v1/imports?kind=events", bytes: Array(lines.joined(separator: "\n").utf8),
        headers: ["content-type": "application/x-ndjson"])
      while try await api.runner.runNext() {}
      #expect(try await api.count("SELECT count(*) FROM events") == 36)
      #expect(try await api.count("SELECT count(*) FROM events_default") == 0)
      #expect(try await names("events", api).count == 36)
    }
  }

  @Test("go whole when the settings no longer keep them; without a word all stay")
  func drops() async throws {
    try await PeopleAPI.with { api in
      try await api.partitions.make(now: Self.start)
      _ = try await api.call(.post, "/v1/events", event("m1", Self.start))
      let stray = try #require(Date(rfc3339: "2019-03-10T00:00:00Z"))
      _ = try await api.call(.post, "/v1/events", event("m2", stray))
      let later = Self.start.addingTimeInterval(95 * 86_400)
      try await api.partitions.make(now: later)
      try await api.partitions.drop(now: later)
      #expect(try await api.count("SELECT count(*) FROM events") == 2)

      let kept = partitions(api) { $0.eventMonths = 3 }
      try await kept.drop(now: later)
      #expect(try await api.count("SELECT count(*) FROM events") == 1)
      #expect(try await names("events", api).first == "202610")
      try await kept.drop(now: later.addingTimeInterval(31 * 86_400))
      #expect(try await api.count("SELECT count(*) FROM events") == 0)
      #expect(try await names("events", api).first == "202612")
      #expect(try await names("deliveries", api).first == "202610")
    }
  }

  @Test("of deliveries stay while a run is not over, then leave their totals")
  func seals() async throws {
    try await PeopleAPI.with { api in
      let partitions = partitions(api) { $0.deliveryMonths = 1 }
      try await partitions.make(now: Self.start)
      let run = UUID()
      try await api.db.pool.write { tx in
        try tx.execute("SET LOCAL session_replication_role = replica")
        try tx.execute(
          """
          INSERT INTO runs (id, plan, plan_version, occurrence, state, started_at)
          VALUES (\(run), 'p', 1, 'once', 'running', \(Self.start))
          """)
        try tx.execute(
          """
          INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
            status, reason, created_at)
          SELECT gen_random_uuid(), \(run), 's', \(Self.start), gen_random_uuid(), 'p', 1,
            CASE WHEN n < 7 THEN 'sent' ELSE 'skipped' END, CASE WHEN n >= 7 THEN 'no_address' END,
            \(Self.start)
          FROM generate_series(1, 10) AS n
          """)
      }
      let later = Self.start.addingTimeInterval(95 * 86_400)
      try await partitions.drop(now: later)
      #expect(try await api.count("SELECT count(*) FROM deliveries") == 10)
      let before = try await counted(run, api)
      #expect(before == ["sent": 6, "skipped no_address": 4])
      _ = try await api.db.pool.write { try $0.execute("UPDATE runs SET state = 'completed'") }
      try await partitions.drop(now: later)
      #expect(try await api.count("SELECT count(*) FROM deliveries") == 0)
      #expect(try await counted(run, api) == before)
    }
  }

  private func counted(_ run: UUID, _ api: PeopleAPI) async throws -> [String: Int] {
    try await api.db.read { db in
      let scope = try ReportScope(
        PeopleAPI.caller(), projectZone: "UTC", now: Self.start, in: db)
      let rows = try AccountingStore.deliveries([run], scope: scope, in: db)
      return Dictionary(
        rows.map { row in
          let code = row.code.map { " \($0)" } ?? ""
          return ((row.status?.rawValue ?? "") + code, row.count)
        }, uniquingKeysWith: +)
    }
  }

  @Test("a message is known again within the horizon, and forgotten in chunks beyond it")
  func horizon() async throws {
    try await PeopleAPI.with { api in
      func accepted(_ message: String, _ now: Date) async throws -> Int? {
        try await api.call(.post, "/v1/events", event(message, Self.start), now: now)
          .json["accepted"]?.intValue
      }
      let days = { (days: Double) in Self.start.addingTimeInterval(days * 86_400) }
      #expect(try await accepted("old", days(0)) == 1)
      _ = try await api.db.pool.write { tx in
        try tx.execute(
          """
          INSERT INTO event_keys (key, seen_on)
          SELECT gen_random_uuid(), (\(Self.start) AT TIME ZONE 'UTC')::date
          FROM generate_series(1, 30000)
          """)
      }
      #expect(try await accepted("young", days(20)) == 1)
      #expect(try await api.partitions.forgetMessages(now: days(89)) == 0)
      #expect(try await accepted("old", days(89)) == 0)
      #expect(try await api.partitions.forgetMessages(now: days(91)) == 30_001)
      #expect(try await api.partitions.forgetMessages(now: days(91)) == 0)
      #expect(try await accepted("young", days(91)) == 0)
      #expect(try await accepted("old", days(91)) == 1)
    }
  }
}
