import Foundation
import HTTP
import Logging
import Postgres
import Testing

@testable import Herald

@Suite("Metrics")
struct MetricsTests {
  @Test("families have help and type, label values and help are escaped")
  func format() {
    var text = MetricsText()
    text.family("a_total", .counter, "Says \"a\\b\"\nc.")
    text.sample("a_total", ["x": "q\"\\\n", "y": "z"], 3)
    text.sample("a_total", [:], 0.5)
    text.gauge("b", "None.", nil as Int?)
    #expect(
      text.text == """
        # HELP a_total Says "a\\\\b"\\nc.
        # TYPE a_total counter
        a_total{x="q\\"\\\\\\n",y="z"} 3
        a_total 0.5

        """)
  }

  @Test("requests are counted by route, method and status, their durations in cumulative buckets")
  func requests() async throws {
    try await ReportScene.with { scene in
      let metrics = Metrics(db: scene.db, attempts: AttemptMetrics())
      for (milliseconds, status) in [(1, 200), (30, 404), (60_000, 200)] {
        metrics.http.record(
          .get, "/v1/tags", status: status, duration: .milliseconds(milliseconds))
      }
      let lines = await scene.lines(metrics)
      let labels = "{route=\"/v1/tags\",method=\"GET\","
      #expect(lines.contains("herald_http_requests_total\(labels)status=\"200\"} 2"))
      #expect(lines.contains("herald_http_requests_total\(labels)status=\"404\"} 1"))
      let bucket = "herald_http_request_duration_seconds_bucket\(labels)le="
      #expect(lines.contains(bucket + "\"0.001\"} 1"))
      #expect(lines.contains(bucket + "\"0.025\"} 1"))
      #expect(lines.contains(bucket + "\"0.05\"} 2"))
      #expect(lines.contains(bucket + "\"30.0\"} 2"))
      #expect(lines.contains(bucket + "\"+Inf\"} 3"))
      let base = "{route=\"/v1/tags\",method=\"GET\"}"
      #expect(lines.contains("herald_http_request_duration_seconds_count\(base) 3"))
    }
  }

  @Test("the queue is counted and its oldest due work aged; leased work counts as due")
  func queue() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let people = ReportScene.people(5)
      let run = try await scene.run(of: "hello", people: people)
      let pending = try await scene.deliver(people, in: run, step: "first", "pending")
      try await scene.queue(run, dueAt: ReportScene.now.addingTimeInterval(-90))
      try await scene.execute(
        "UPDATE queue SET due_at = 'infinity' WHERE delivery_id = \(pending[0])")
      try await scene.execute(
        """
        UPDATE queue SET due_at = \(ReportScene.now.addingTimeInterval(60))
        WHERE delivery_id = \(pending[1])
        """)
      let lines = await scene.lines()
      for line in [
        "herald_queue_depth 5", "herald_queue_due 3", "herald_queue_oldest_due_seconds 90.0",
        "herald_database_up 1",
      ] {
        #expect(lines.contains(line), "\(line)")
      }
    }
  }

  @Test("without the database the process's own figures are there still")
  func withoutDatabase() async throws {
    let pool = Pool(
      PoolConfiguration(url: "host=/nowhere", size: 1, connectTimeout: .seconds(1)),
      logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    let attempts = AttemptMetrics()
    attempts.record("main", outcomes: [.sent(providerID: nil), .unknown(reason: "x")])
    let text = await Metrics(db: Database(pool: pool), attempts: attempts).text(now: Date())
    await pool.close()
    #expect(text.contains("herald_database_up 0\n"))
    #expect(text.contains("herald_attempts_total{sender=\"main\",status=\"sent\"} 1\n"))
    #expect(text.contains("herald_attempts_total{sender=\"main\",status=\"unknown\"} 1\n"))
    #expect(text.contains("\nprocess_resident_memory_bytes "))
    #expect(!text.contains("herald_queue_depth"))
  }

  @Test("in flight, orphaned, unsealed, months and jobs are counted")
  func figures() async throws {
    try await ReportScene.with { scene in
      try await scene.inFlight(sender: "main", channel: "sms")
      try await scene.execute(
        """
        INSERT INTO jobs (id, kind, state, parameters, created_by, created_at, updated_at)
        VALUES (gen_random_uuid(), 'import', 'failed', '{}', 'x', now(), now())
        """)
      for months in 0..<2 {
        try await scene.execute(
          """
          SELECT herald_make_partition('events', (\(ReportScene.now)::timestamptz AT TIME ZONE 'UTC'
            + make_interval(months => \(Int32(months))))::date)
          """)
      }
      _ = try await Stops(db: scene.db).stop(
        .sms, reason: nil, by: ReportScene.admin, now: ReportScene.now)
      var lines = await scene.lines()
      for line in [
        "herald_in_flight 1", "herald_queue_orphaned 0", "herald_audit_unsealed 1",
        "herald_partitions_ahead{table=\"events\"} 2",
        "herald_partitions_ahead{table=\"deliveries\"} 0", "herald_jobs{state=\"failed\"} 1",
      ] {
        #expect(lines.contains(line), "\(line)")
      }
      try await scene.execute(
        "UPDATE queue SET lease = gen_random_uuid(), leased_until = now() - interval '1 second'")
      lines = await scene.lines()
      #expect(lines.contains("herald_queue_orphaned 1"))
      #expect(lines.contains("herald_in_flight 0"))
    }
  }

  @Test("the process has a size, descriptors and a start in the past")
  func process() throws {
    let figures = ProcessFigures.read()
    #expect(try #require(figures.residentBytes) > 1_000_000)
    #expect(try #require(figures.openDescriptors) >= 3)
    let started = try #require(figures.startedAt)
    #expect(started < Date().timeIntervalSince1970 + 1)
    #expect(started > Date().timeIntervalSince1970 - 86_400)
  }

  @Test("/metrics is for every key, and for this machine without one")
  func access() async throws {
    try await ReportScene.with { scene in
      let keys = Keys(db: scene.db)
      let (_, secret) = try await keys.create(
        NewKey(name: "scrape", role: .ingest, principal: "prometheus"), by: .herald,
        now: ReportScene.now)
      let endpoints = MetricsRoutes.endpoints(
        Metrics(db: scene.db, attempts: AttemptMetrics()), keys)
      let endpoint = try #require(endpoints.first)
      func status(_ key: String?, isLoopback: Bool) async -> Int {
        var headers = HTTPHeaders()
        if let key { headers["authorization"] = "Bearer \(key)" }
        let request = Request(
          path: "/metrics", headers: headers, isLoopback: isLoopback, pattern: "/metrics")
        let call = Call(
          request: request, caller: .anonymous(requestID: "r"), now: ReportScene.now)
        do {
          return try await endpoint.handler(call).status
        } catch {
          return EndpointRunner.heraldError(error).code.status
        }
      }
      #expect(await status(nil, isLoopback: true) == 200)
      #expect(await status(nil, isLoopback: false) == 401)
      #expect(await status(secret, isLoopback: false) == 200)
      #expect(await status("hk_wrong_wrong_wrong_wrong", isLoopback: false) == 401)
    }
  }
}

extension ReportScene {
  func lines(_ metrics: Metrics? = nil) async -> [String] {
    let metrics = metrics ?? Metrics(db: db, attempts: AttemptMetrics())
    return await metrics.text(now: Self.now).split(separator: "\n").map(String.init)
  }
}
