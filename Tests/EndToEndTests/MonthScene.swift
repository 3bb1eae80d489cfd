import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres

/// Herald's processes for a simulated month, whose clock the test moves.
struct MonthScene: Sendable {
  let form: MonthForm
  let torture: TortureScene
  let operator_: APIClient
  let approver: APIClient
  /// Has made nobody's key, which would bar them.
  private let admin: APIClient
  private let clock: String

  static func run(_ form: MonthForm, _ body: (MonthScene) async throws -> Void) async throws {
    var setting = TortureScene.Setting()
    setting.latency = 0
    setting.failRate = 0.12
    setting.retryRate = 0.08
    setting.leaseSeconds = 2
    try await TortureScene.run(setting, needsCrashes: false) { torture in
      let clock = torture.directory + "/clock"
      try write(form.preparation, to: clock)
      let server = try torture.start(
        "api", environment: ["HERALD_TEST_CLOCK": clock, "HERALD_POOL_SIZE": "8"], isMoved: true)
      try await torture.ready(server)
      let operator_ = try await TortureCampaign.client("operator", "li", torture)
      let approver = try await TortureCampaign.client("approver", "wang", torture)
      let admin = try await TortureCampaign.client("admin", "zhao", torture)
      try await body(
        MonthScene(
          form: form, torture: torture, operator_: operator_, approver: approver, admin: admin,
          clock: clock))
    }
  }

  func startWorker() throws -> Program {
    try torture.start(
      "worker",
      environment: ["HERALD_TEST_CLOCK": clock, "HERALD_POOL_SIZE": form.isLong ? "8" : "4"],
      isMoved: true)
  }

  /// Moves the clock, or leaves it where it is and has the workers look again: what is told to the
  /// API they would notice within half a second only.
  func move(to instant: Date) throws { try Self.write(instant, to: clock) }

  private static func write(_ instant: Date, to path: String) throws {
    try Data("\(instant.rfc3339)\n\(UUID())".utf8)
      .write(to: URL(fileURLWithPath: path), options: .atomic)
  }

  /// Returns when nothing is left to do at `instant`, where the clock stands.
  func settled(at instant: Date) async throws {
    let left = Self.left(at: instant)
    do {
      _ = try await TortureScene.eventually(
        "all that is due at \(instant.rfc3339) is done", within: .seconds(120),
        every: .milliseconds(4)
      ) { () -> Bool? in
        try await torture.look { try $0.one("SELECT 1 WHERE EXISTS (\(left))") } == nil ? true : nil
      }
    } catch let failure as Program.Failure {
      let rows = try await torture.look { db in
        try db.query("SELECT what FROM (\(left)) AS left LIMIT 5").map {
          try $0.get(0, as: String.self)
        }
      }
      throw Program.Failure(
        description: "\(failure.description); left: \(rows.joined(separator: "; "))")
    }
  }

  /// What there is to do at an instant, or keeps it from being done, as texts.
  private static func left(at instant: Date) -> SQL {
    """
    SELECT to_jsonb(q)::text AS what FROM generate_series(0, 63) AS lanes (n)
      CROSS JOIN LATERAL (
        SELECT * FROM queue WHERE lane = n::smallint AND due_at <= \(instant) LIMIT 1) AS q
    UNION ALL SELECT to_jsonb(s)::text FROM plan_schedules s
      JOIN plan_versions v ON v.plan = s.plan AND v.version = s.plan_version
      JOIN plans p ON p.key = s.plan
      WHERE s.due_at <= \(instant) AND v.state = 'live' AND NOT p.paused
    UNION ALL SELECT plan || ' is approved' FROM plan_versions
      WHERE state = 'approved' AND launch_at <= \(instant)
    UNION ALL SELECT to_jsonb(s)::text FROM scenes s WHERE matched_at IS NULL
    UNION ALL SELECT to_jsonb(r)::text FROM runs r WHERE state = 'entering'
    UNION ALL SELECT 'stopped: ' || to_jsonb(s)::text FROM stops s
    """
  }

  // MARK: - What is there before the month begins

  func prepare(_ plans: [MonthPlans.Named]) async throws {
    try await torture.api.call(
      "PUT", "/v1/settings",
      [
        "time_zone": "Europe/Berlin", "region": "DE",
        "quiet_hours": ["from": "23:00", "until": "06:30", "zone": "user", "on_hit": "defer"],
      ])
    try await people()
    for channel in ["push", "sms", "email"] {
      try await torture.api.call(
        "PUT", "/v1/senders/\(channel)",
        [
          "channel": .string(channel), "adapter": "http", "concurrency": 64,
          "config": [
            "url": .string("\(torture.gateway)/\(channel)"),
            "secret": .string(TortureScene.secret), "idempotent": true,
          ],
        ])
    }
    try await content()
    if form.isLong {
      for (key, cap) in MonthPlans.caps {
        try await operator_.call("PUT", "/v1/caps/\(key)", cap)
      }
    }
    for plan in plans {
      try await author(of: plan).call("PUT", "/v1/plans/\(plan.key)", plan.document)
    }
  }

  private func people() async throws {
    let people = MonthPeople(form: form)
    for start in stride(from: 0, to: form.users, by: 1000) {
      let users = (start..<min(start + 1000, form.users)).map(people.user)
      let answer = try await torture.api.call(
        "POST", "/v1/users/batch", ["users": .array(users)])
      if let failed = answer["failed"]?.intValue, failed > 0 {
        throw Program.Failure(description: "people were refused: \(answer)")
      }
    }
  }

  private func content() async throws {
    for (key, condition) in MonthPlans.segments {
      try await operator_.call(
        "PUT", "/v1/segments/\(key)", ["name": .string(key), "condition": condition])
    }
    let plain: JSONValue = "Hi {{ user.name }}"
    let needy: JSONValue = "Rain in {{ user.city }}"
    for (key, content) in [
      ("push", ["title": "Hi", "body": plain]), ("sms", ["text": plain, "signature": "H"]),
      ("email", ["subject": "Hi", "text": plain]), ("push_city", ["title": "Hi", "body": needy]),
      ("email_city", ["subject": "Hi", "text": needy]),
    ] as [(String, JSONValue)] {
      let channel = String(key.prefix { $0 != "_" })
      try await operator_.call(
        "PUT", "/v1/templates/\(key)",
        [
          "channel": .string(channel), "content": content,
          "on_missing": .string(key.contains("_") ? "skip" : "default"),
        ])
    }
  }

  /// Only an admin may declare a plan transactional.
  private func author(of plan: MonthPlans.Named) -> APIClient {
    plan.document["class"] == nil ? operator_ : admin
  }

  func approve(_ plan: MonthPlans.Named) async throws {
    let submitted = try await author(of: plan).call(
      "POST", "/v1/plans/\(plan.key)/submit", ["comment": "please"])
    guard let approval = submitted["approval"]?.stringValue, let hash = submitted["hash"] else {
      throw Program.Failure(description: "no approval in \(submitted)")
    }
    try await approver.call("POST", "/v1/approvals/\(approval)/approve", ["hash": hash])
  }
}
