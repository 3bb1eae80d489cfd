import Foundation
import HeraldTesting
import JSON
import Postgres

/// Joins the frozen audience, Herald's tables and the log of the receiving end, and says in words
/// what does not fit.
struct TortureLedger {
  /// Call of the gateway's log.
  struct Call {
    let delivery: String
    let key: String
    let channel: String
    let status: Int
    let digest: String
    let arrivedAt: String
  }

  struct Delivery {
    let id: String
    let user: UUID
    let step: String
    let status: String
    let reason: String?
    let sender: String?
  }

  let plan: String
  var calls: [Call] = []
  var deliveries: [String: Delivery] = [:]
  /// By idempotency key: how each link that was tried ended, of its last try.
  var attempts: [String: String] = [:]
  private(set) var faults: [String] = []
  /// Second calls under one key to the sender that may resend.
  private(set) var repeats = 0
  private(set) var targeted = 0

  init(_ campaign: TortureCampaign, in scene: TortureScene) async throws {
    plan = campaign.key
    try readCalls(scene.gatewayLog)
    try await readTables(scene)
    try await checkPeople(campaign, scene)
    try await checkCoupons(scene)
    checkCalls()
    checkSent()
  }

  /// How many deliveries of a step ended in each state, for printing.
  var summary: String {
    let counts = Dictionary(grouping: deliveries.values) { delivery in
      "\(delivery.step) \(delivery.status)" + (delivery.reason.map { " (\($0))" } ?? "")
    }
    return counts.map { "\($0.key): \($0.value.count)" }.sorted().joined(separator: ", ")
  }

  func count(_ status: String, _ reason: String, sender: String? = nil) -> Int {
    deliveries.values.count {
      $0.status == status && $0.reason == reason && (sender == nil || $0.sender == sender)
    }
  }

  private mutating func fault(_ text: String) { faults.append(text) }

  private mutating func require(_ holds: Bool, _ text: @autoclosure () -> String) {
    if !holds { faults.append(text()) }
  }

  private mutating func readCalls(_ path: String) throws {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    for line in text.split(separator: "\n") {
      let json = try JSONScanner.parse(Array(line.utf8))
      guard json["plan"]?.stringValue == plan else { continue }
      calls.append(
        Call(
          delivery: json["delivery_id"]?.stringValue ?? "",
          key: json["idempotency_key"]?.stringValue ?? "",
          channel: json["channel"]?.stringValue ?? "", status: json["status"]?.intValue ?? 0,
          digest: json["body_sha256"]?.stringValue ?? "",
          arrivedAt: json["arrived_at"]?.stringValue ?? ""))
    }
  }

  private mutating func readTables(_ scene: TortureScene) async throws {
    let plan = plan
    let (rows, tries) = try await scene.look { db in
      (
        try db.query(
          """
          SELECT id::text, user_id, step_id, status, reason, sender FROM deliveries
          WHERE plan = \(plan)
          """
        ).map {
          Delivery(
            id: try $0.get(0), user: try $0.get(1), step: try $0.get(2), status: try $0.get(3),
            reason: try $0.get(4), sender: try $0.get(5))
        },
        try db.query(
          """
          SELECT a.delivery_id::text || '-' || a.link AS key, a.status FROM attempts a
          JOIN deliveries d ON d.id = a.delivery_id AND d.user_id = a.user_id
          WHERE d.plan = \(plan) ORDER BY a.try
          """
        ).map { (key: try $0.get(0, as: String.self), status: try $0.get(1, as: String.self)) }
      )
    }
    deliveries = Dictionary(uniqueKeysWithValues: rows.map { ($0.id, $0) })
    for attempt in tries { attempts[attempt.key] = attempt.status }
  }

  /// Nobody lost: every person targeted has one decision that is final, and one delivery of every
  /// step when inside; and Herald's own books say so too.
  private mutating func checkPeople(_ campaign: TortureCampaign, _ scene: TortureScene) async throws
  {
    let plan = plan
    let counts = try await scene.look { db in
      try ["runs", "targets", "decided", "open", "queued", "unfit"].map { name in
        let query: [String: SQL] = [
          "runs": "SELECT count(*) FROM runs WHERE plan = \(plan) AND state = 'completed'",
          "targets": """
          SELECT count(*) FROM run_targets t JOIN runs r ON r.id = t.run_id
          WHERE r.plan = \(plan)
          """,
          "decided": """
          SELECT count(*) FROM run_targets t JOIN runs r ON r.id = t.run_id
          JOIN enrolments e ON e.run_id = t.run_id AND e.user_id = t.user_id
          WHERE r.plan = \(plan)
            AND (e.state IN ('held_out', 'finished') OR e.reason IS NOT NULL)
          """,
          "open": "SELECT count(*) FROM enrolments WHERE plan = \(plan) AND state = 'active'",
          "queued": "SELECT count(*) FROM queue WHERE plan = \(plan)",
          "unfit": """
          SELECT count(*) FROM (
            SELECT e.user_id FROM enrolments e
            LEFT JOIN deliveries d ON d.user_id = e.user_id AND d.run_id = e.run_id
            WHERE e.plan = \(plan) AND e.state = 'finished'
            GROUP BY e.user_id HAVING count(DISTINCT d.step_id) <> 3 OR count(*) <> 3) AS n
          """,
        ]
        return try query[name].flatMap { try db.one($0) }?.get(0, as: Int.self) ?? -1
      }
    }
    targeted = counts[1]
    require(counts[0] == 1, "\(counts[0]) runs are completed, not 1")
    require(
      counts[1] == campaign.recipients, "\(counts[1]) targeted of \(campaign.recipients)")
    require(counts[2] == counts[1], "\(counts[1]) were targeted, \(counts[2]) are accounted for")
    require(counts[3] == 0, "\(counts[3]) enrolments are still active")
    require(counts[4] == 0, "\(counts[4]) queue rows are left")
    require(counts[5] == 0, "\(counts[5]) people do not have one delivery of each of three steps")
    for delivery in deliveries.values where delivery.status != "sent" {
      require(
        delivery.status != "pending" && delivery.reason != nil,
        "delivery \(delivery.id) ended \(delivery.status) for no reason")
    }
    let books = try await scene.api.call("GET", "/v1/plans/\(plan)/accounting")
    require(books["balanced"]?.boolValue == true, "the accounting is not balanced: \(books)")
  }

  private mutating func checkCoupons(_ scene: TortureScene) async throws {
    let plan = plan
    let issues = try await scene.look { db in
      try db.query(
        "SELECT code, delivery_id::text, user_id FROM coupon_issues WHERE plan = \(plan)"
      ).map {
        (
          code: try $0.get(0, as: String.self), delivery: try $0.get(1, as: String.self),
          user: try $0.get(2, as: UUID.self)
        )
      }
    }
    require(Set(issues.map(\.code)).count == issues.count, "a code was issued twice")
    require(Set(issues.map(\.delivery)).count == issues.count, "a delivery has two codes")
    require(Set(issues.map(\.user)).count == issues.count, "a person has two codes")
    let given = Set(issues.map(\.delivery))
    let sent = Set(
      deliveries.values.filter { $0.step == "gift" && $0.status == "sent" }.map(\.id))
    require(
      given == sent,
      "\(given.count) codes are issued, \(sent.count) deliveries say so, \(given.symmetricDifference(sent).count) differ"
    )
  }

  /// No call is repeated but where that is safe: to a sender that knows the key, or after an answer
  /// that nothing was taken.
  private mutating func checkCalls() {
    for (key, calls) in Dictionary(grouping: calls, by: \.key) {
      guard let first = calls.first else { continue }
      if Set(calls.map(\.digest)).count > 1 { fault("the calls of \(key) differ in their bytes") }
      let earlier = calls.sorted { $0.arrivedAt < $1.arrivedAt }.dropLast()
      let doubtful = earlier.count { $0.status != 503 }
      if first.channel == "push" {
        repeats += doubtful
      } else {
        require(
          doubtful == 0, "\(key) was called \(calls.count) times through a sender that may not")
      }
      guard let delivery = deliveries[first.delivery] else {
        fault("the call of \(key) is of no delivery")
        continue
      }
      let end = attempts[key]
      if calls.contains(where: { $0.status == 200 }) {
        require(
          end == "sent" || end == "unknown", "\(key) was taken, its attempt is \(end ?? "missing")")
        require(
          delivery.status == "sent" || delivery.status == "unknown",
          "\(key) was taken, the delivery is \(delivery.status) (\(delivery.reason ?? ""))")
      } else if calls.contains(where: { $0.status == 422 }) {
        require(
          end == "failed" || end == "unknown",
          "\(key) was refused, its attempt is \(end ?? "missing")")
      }
    }
  }

  /// What is called sent was taken at the other end.
  private mutating func checkSent() {
    let taken = Set(calls.filter { $0.status == 200 }.map(\.key))
    for (key, status) in attempts where status == "sent" {
      guard let delivery = deliveries[String(key.prefix(36))], delivery.step != "gift" else {
        continue
      }
      require(taken.contains(key), "\(key) is called sent and was never taken")
    }
    let takenDeliveries = Set(calls.filter { $0.status == 200 }.map(\.delivery))
    for delivery in deliveries.values where delivery.status == "sent" && delivery.step != "gift" {
      require(
        takenDeliveries.contains(delivery.id), "delivery \(delivery.id) is sent and was not taken")
    }
  }
}
