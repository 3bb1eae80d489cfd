import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite struct ReportTests {
  private static let goal: JSONValue = ["stage": "convert", "event": "order_paid", "within": "3d"]

  /// 4 sent (one clicked, two delivered), 1 skipped, 1 failed, 2 held out.
  private func fill(_ scene: ReportScene) async throws -> (run: UUID, people: [UUID]) {
    try await scene.plan(
      "hello", ReportScene.document(steps: ["first", "second"], goals: [Self.goal]))
    let people = ReportScene.people(9)
    let run = try await scene.run(of: "hello", people: people)
    try await scene.enrol(Array(people[0..<6]), in: run, "finished")
    try await scene.enrol(Array(people[6..<8]), in: run, "held_out", bucket: 1)
    try await scene.enrol([people[8]], in: run, "skipped", "not_in_audience")
    let sent = try await scene.deliver(Array(people[0..<4]), in: run, step: "first", "sent")
    try await scene.attempt(sent, "sent")
    try await scene.receipts(Array(sent[0..<2]), "delivered")
    try await scene.receipts([sent[1], sent[2]], "clicked")
    try await scene.receipts([sent[3]], "bounced")
    try await scene.deliver(
      [people[4]], in: run, step: "first", "skipped", "no_consent", channel: "sms")
    try await scene.deliver(
      [people[5]], in: run, step: "first", "failed", "x", channel: "sms",
      at: ReportScene.now.addingTimeInterval(86_400))
    return (run, people)
  }

  @Test("by step: states and receipts of deliveries, steps nobody reached included")
  func byStep() async throws {
    try await ReportScene.with { scene in
      _ = try await fill(scene)
      let report = try await scene.report(.step)
      #expect(report.rows.map(\.key) == ["first", "second"])
      let first = try #require(report.rows.first).figures
      #expect(first.entered == 6)
      #expect(first.sent == 4)
      #expect(first.failed == 1)
      #expect(first.skipped == 1)
      // A click proves the delivery.
      #expect(first.delivered == 3)
      #expect(first.opened == 2)
      #expect(first.clicked == 2)
      #expect(first.bounced == 1)
      #expect(first.ctr == 2.0 / 3)
      #expect(report.rows[1].figures == ReportFigures())
      #expect(report.totals == first)
      #expect(report.json["totals"]?["targeted"] == 9)
      #expect(report.json["totals"]?["held_out"] == 2)
    }
  }

  @Test("a receipt that came twice counts once, and by channel the totals stay the same")
  func twice() async throws {
    try await ReportScene.with { scene in
      _ = try await fill(scene)
      try await scene.execute(
        """
        INSERT INTO receipts SELECT user_id, delivery_id, event, at + interval '1 hour', run_id,
          step_id, plan, 'sms', sender, received_at FROM receipts
        """)
      let byStep = try await scene.report(.step)
      #expect(byStep.totals.clicked == 2)
      let byChannel = try await scene.report(.channel)
      #expect(byChannel.rows.map(\.key) == ["push", "sms"])
      #expect(byChannel.rows.map(\.figures.clicked) == [2, 2])
      #expect(byChannel.rows.map(\.figures.entered) == [4, 2])
      #expect(byChannel.totals == byStep.totals)
    }
  }

  @Test("by day: deliveries and their receipts on the day they were settled, in the project's zone")
  func byDay() async throws {
    try await ReportScene.with { scene in
      _ = try await fill(scene)
      let report = try await scene.report(.day)
      // 2026-01-01T00:00Z is eight in the morning in Shanghai.
      #expect(report.rows.map(\.key) == ["2026-01-01", "2026-01-02"])
      #expect(report.rows.map(\.figures.entered) == [5, 1])
      #expect(report.rows.map(\.figures.clicked) == [2, 0])
      #expect(report.totals == (try await scene.report(.step)).totals)
    }
  }

  @Test("a goal counts events in the window after entry, and compares with the held-out")
  func goals() async throws {
    try await ReportScene.with { scene in
      let (_, people) = try await fill(scene)
      try await scene.events(Array(people[0..<3]), "order_paid", after: 3600)
      try await scene.events([people[0]], "order_paid", after: 7200)
      try await scene.events([people[3]], "order_paid", after: -60)
      try await scene.events([people[4]], "order_paid", after: 3 * 86_400 + 1)
      try await scene.events([people[5]], "refund", after: 60)
      try await scene.events([people[6]], "order_paid", after: 3 * 86_400)
      try await scene.events([people[8]], "order_paid", after: 60)
      let goal = try #require(try await scene.report(.step).goals.first)
      #expect(goal.treated == Conversions(people: 6, converted: 3))
      #expect(goal.heldOut == Conversions(people: 2, converted: 1))
      #expect(goal.lift?.absolute == 0)
    }
  }

  @Test("coupons issued by the run's deliveries, and those redeemed")
  func coupons() async throws {
    try await ReportScene.with { scene in
      guard case .object(var document) = ReportScene.document(steps: ["first"]) else { return }
      document["steps"] = [
        ["id": "first", "send": ["chain": [["channel": "coupon", "coupon": "ten"]]]]
      ]
      try await scene.plan("hello", .object(document))
      let people = ReportScene.people(2)
      let run = try await scene.run(of: "hello", people: people)
      try await scene.enrol(people, in: run, "finished")
      let sent = try await scene.deliver(people, in: run, step: "first", "sent", channel: "coupon")
      try await scene.issue("ten", to: zip(people, sent).map { ($0, $1) }, redeemed: 1)
      let report = try await scene.report(.channel)
      #expect(report.rows.map(\.figures.couponsIssued) == [2])
      #expect(report.rows.map(\.figures.couponsRedeemed) == [1])
    }
  }

  @Test("one run alone; a run of another plan is not found")
  func oneRun() async throws {
    try await ReportScene.with { scene in
      let (run, _) = try await fill(scene)
      #expect(try await scene.report(.step, run: run).totals.entered == 6)
      await #expect { try await scene.report(.step, run: UUID()) } throws: {
        ($0 as? HeraldError)?.code == .notFound
      }
    }
  }

  @Test("CSV has one record a row and one of totals; the table leaves empty columns out")
  func formats() async throws {
    try await ReportScene.with { scene in
      _ = try await fill(scene)
      let report = try await scene.report(.step)
      guard case .bytes(let csv) = report.response(.csv).body,
        case .bytes(let table) = report.response(.table).body
      else {
        Issue.record("no bytes")
        return
      }
      let records: [String] = String(decoding: csv, as: UTF8.self)
        .split(separator: "\r\n").map { String($0) }
      #expect(records.count == 4)
      #expect(records[0].hasPrefix("step,entered,sent,delivered,opened,clicked,"))
      #expect(records[1] == "first,6,4,3,2,2,1,0,0,1,1,0,0,0,0,0.666667")
      #expect(records[3].hasPrefix("total,6,4,"))
      let lines: [String] = String(decoding: table, as: UTF8.self)
        .split(separator: "\n").map { String($0) }
      #expect(lines[0].hasPrefix("step"))
      #expect(!lines[0].contains("uninstalled"))
      let width = lines[0].count
      #expect(lines[2].count == width)
      let last = lines.last ?? ""
      #expect(last.hasPrefix("order_paid within 3d: 0 of 6"))
    }
  }

  @Test("lift with Newcombe's interval", arguments: [(56, 70, 48, 80, 0.0524, 0.3339)])
  func newcombe(_ a: Int, _ m: Int, _ b: Int, _ n: Int, _ low: Double, _ high: Double) throws {
    // The example of Newcombe's paper (1998, table II, a): 56/70 against 48/80.
    let lift = try #require(
      Lift(Conversions(people: m, converted: a), against: Conversions(people: n, converted: b)))
    #expect(abs(lift.absolute - 0.2) < 1e-9)
    #expect(abs(lift.low - low) < 5e-5)
    #expect(abs(lift.high - high) < 5e-5)
  }

  @Test("nobody held out, no lift; nobody of them converted, no relative lift")
  func noLift() {
    let treated = Conversions(people: 10, converted: 1)
    #expect(Lift(treated, against: Conversions(people: 0, converted: 0)) == nil)
    #expect(Lift(treated, against: Conversions(people: 5, converted: 0))?.relative == nil)
  }
}

extension ReportScene {
  func report(_ dimension: Report.Dimension, run: UUID? = nil) async throws -> Report {
    try await Reports(db: db).report(
      "hello", by: dimension, run: run, for: Self.admin, now: Self.now)
  }

  func issue(_ coupon: String, to: [(UUID, UUID)], redeemed: Int) async throws {
    let numbers = Array(1...to.count)
    let now = Self.now
    try await db.pool.write { tx in
      try tx.execute(
        """
        INSERT INTO coupons (key, name, discount, valid, per_user, created_at, updated_at)
        VALUES (\(coupon), 'Ten', '{}', '{}', 1, \(now), \(now))
        """)
      try tx.execute(
        """
        INSERT INTO coupon_codes SELECT \(coupon), n, 'C' || n FROM unnest(\(numbers)) AS n
        """)
      try tx.execute(
        """
        INSERT INTO coupon_issues (coupon, code_no, code, user_id, delivery_id, plan, nth, discount,
          state, issued_at)
        SELECT \(coupon), n, 'C' || n, u, d, 'hello', 1, '{}',
          CASE WHEN n <= \(redeemed) THEN 'redeemed' ELSE 'issued' END, \(now)
        FROM unnest(\(numbers), \(to.map(\.0)), \(to.map(\.1))) AS t (n, u, d)
        """)
    }
  }
}
