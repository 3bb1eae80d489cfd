import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct MetricsTests {
  @Test("families have help, type and escaped labels")
  func format() {
    var text = MetricsText()
    text.family(
      "a_total", .counter, "Says \"a\\b\"\nc.",
      [.init(3, ["x": "q\"\\\n"]), .init(0.5), .init(Double.infinity, ["le": "+Inf"])])
    #expect(
      text.text == """
        # HELP a_total Says "a\\\\b"\\nc.
        # TYPE a_total counter
        a_total{x="q\\"\\\\\\n"} 3
        a_total 0.5
        a_total{le="+Inf"} +Inf

        """)
  }

  @Test("the queue is counted by what it waits for, and its oldest work is aged")
  func queue() async throws {
    try await ReportScene.with { scene in
      try await scene.plan("hello", ReportScene.document(steps: ["first"]))
      let people = ReportScene.people(6)
      let run = try await scene.run(of: "hello", people: people)
      let pending = try await scene.deliver(people, in: run, step: "first", "pending")
      try await scene.queue(run, dueAt: ReportScene.now.addingTimeInterval(-90))
      try await scene.execute(
        "UPDATE queue SET due_at = 'infinity' WHERE delivery_id = \(pending[0])")
      try await scene.execute(
        """
        UPDATE queue SET due_at = \(ReportScene.now.addingTimeInterval(60))
        WHERE delivery_id IN (\(pending[1]), \(pending[2]))
        """)
      try await scene.execute(
        """
        UPDATE queue SET leased_until = clock_timestamp() + interval '1 minute'
        WHERE delivery_id = \(pending[3])
        """)
      let lines = await scene.metrics()
      #expect(lines.contains("herald_queue_depth{state=\"parked\"} 1"))
      #expect(lines.contains("herald_queue_depth{state=\"later\"} 2"))
      #expect(lines.contains("herald_queue_depth{state=\"leased\"} 1"))
      #expect(lines.contains("herald_queue_depth{state=\"due\"} 2"))
      #expect(lines.contains("herald_queue_oldest_pending_seconds 90"))
      #expect(lines.contains("herald_database_up 1"))
    }
  }

  @Test("requests, deliveries, senders and stops have their families")
  func families() async throws {
    try await ReportScene.with { scene in
      try await scene.inFlight(sender: "main", channel: "sms")
      _ = try await Stops(db: scene.db).stop(
        .sms, reason: nil, by: ReportScene.admin, now: ReportScene.now)
      let http = HTTPMetrics()
      for milliseconds in [1, 30, 20_000] {
        http.record(.get, "/v1/tags", status: 200, duration: .milliseconds(milliseconds))
      }
      let deliveries = DeliveryMetrics()
      deliveries.settled(channel: .sms, .sent, count: 2)
      let lines = await scene.metrics(http, deliveries)
      #expect(
        lines.contains(
          "herald_http_requests_total{method=\"GET\",route=\"/v1/tags\",status=\"200\"} 3"))
      let bucket = "herald_http_request_duration_seconds_bucket{route=\"/v1/tags\",le="
      #expect(lines.contains(bucket + "\"0.005\"} 1"))
      #expect(lines.contains(bucket + "\"0.05\"} 2"))
      #expect(lines.contains(bucket + "\"+Inf\"} 3"))
      #expect(
        lines.contains(
          "herald_sender_state{sender=\"main\",channel=\"sms\",state=\"active\"} 1"))
      #expect(lines.contains("herald_stopped{scope=\"channel:sms\"} 1"))
      #expect(lines.contains("herald_deliveries_total{channel=\"sms\",status=\"sent\"} 2"))
    }
  }
}

extension ReportScene {
  func metrics(
    _ http: HTTPMetrics = HTTPMetrics(), _ deliveries: DeliveryMetrics = DeliveryMetrics()
  ) async -> [String] {
    let metrics = Metrics(db: db, version: "1", http: http, deliveries: deliveries)
    return await metrics.text(now: Self.now).split(separator: "\n").map { String($0) }
  }
}
