import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres

/// Writes what a month began with and came to, a line of JSON for each row, for the oracle.
struct MonthExport {
  let scene: MonthScene
  let run: MonthRun
  let directory: String

  private static let tables: [(String, SQL)] = [
    (
      "plans",
      """
      SELECT v.plan, v.version, v.document, v.state, s.looked_at FROM plan_versions v
      LEFT JOIN plan_schedules s ON s.plan = v.plan AND s.plan_version = v.version
      WHERE v.state <> 'draft' ORDER BY 1, 2
      """
    ),
    ("segments", "SELECT key, condition FROM segments ORDER BY key"),
    ("templates", "SELECT key, channel, content, on_missing FROM templates ORDER BY key"),
    (
      "users",
      """
      SELECT u.id, u.attributes, u.time_zone,
        (SELECT json_object_agg(i.kind, i.value) FROM identities i WHERE i.user_id = u.id)
          AS identities,
        (SELECT json_object_agg(c.channel || CASE WHEN c.subscription_group <> ''
            THEN ':' || c.subscription_group ELSE '' END, c.state)
          FROM consents c WHERE c.user_id = u.id) AS consents,
        (SELECT count(*) FROM devices d WHERE d.user_id = u.id AND d.state = 'active') AS devices
      FROM users u ORDER BY u.id
      """
    ),
    (
      "events",
      "SELECT id, user_id, name, ts, received_at, properties FROM events ORDER BY received_at, id"
    ),
    (
      "scenes", "SELECT id, name, ts, received_at, properties FROM scenes ORDER BY received_at, id"
    ),
    (
      "runs",
      """
      SELECT id, plan, occurrence, state, state_reason, targeted, started_at FROM runs
      ORDER BY started_at, id
      """
    ),
    (
      "enrolments",
      """
      SELECT user_id, run_id, entry_key, plan, entered_at, since, state, reason, holdout_bucket,
        finished_at FROM enrolments
      """
    ),
    (
      "deliveries",
      """
      SELECT id, user_id, run_id, entry_key, step_id, plan, status, reason, gate, "values", channel,
        sender, created_at, settled_at FROM deliveries
      """
    ),
    (
      "visits",
      """
      SELECT user_id, run_id, entry_key, step_id, plan, kind, state, outcome, arrived_at, left_at
      FROM step_visits
      """
    ),
    (
      "attempts",
      "SELECT user_id, delivery_id, link, try, channel, status, reason, started_at FROM attempts"
    ),
  ]

  func write() async throws {
    for (name, query) in Self.tables {
      let path = directory + "/\(name).jsonl"
      try Data().write(to: URL(fileURLWithPath: path))
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
      try await scene.torture.pool.write(timeout: .seconds(300)) { tx in
        try tx.execute("SET LOCAL timezone = 'UTC'")
        try tx.forEachBatch("SELECT row_to_json(t)::text FROM (\(query)) AS t", size: 5000) {
          rows in
          let lines = try rows.map { try $0.get(0, as: String.self) + "\n" }
          try file.write(contentsOf: Data(lines.joined().utf8))
        }
      }
      try file.close()
    }
    try lines("told", run.told)
    try lines(
      "clock",
      [
        [
          "seed": .string("\(scene.form.seed)"),
          "approved": .string(scene.form.preparation.rfc3339),
          "ticks": .array(run.ticks.map { .string($0.rfc3339) }),
        ]
      ])
    try lines("settings", [try await scene.torture.api.call("GET", "/v1/settings")])
    if scene.form.isLong {
      try lines("caps", MonthPlans.caps.map { ["key": .string($0.key), "cap": $0.value] })
    }
    var books: [JSONValue] = []
    for plan in run.plans {
      books.append(
        [
          "plan": .string(plan.key),
          "books": try await scene.torture.api.call("GET", "/v1/plans/\(plan.key)/accounting"),
        ])
    }
    try lines("accounting", books)
    try await explain()
    try FileManager.default.copyItem(
      atPath: scene.torture.gatewayLog, toPath: directory + "/calls.jsonl")
  }

  private func lines(_ name: String, _ values: [JSONValue]) throws {
    let text = values.map { String(decoding: $0.bytes, as: UTF8.self) + "\n" }.joined()
    try Data(text.utf8).write(to: URL(fileURLWithPath: directory + "/\(name).jsonl"))
  }

  /// Pairs of people and plans, most of whom met.
  private func explain() async throws {
    let met = try await scene.torture.look { db in
      try db.query(
        """
        SELECT DISTINCT user_id::text AS person, plan FROM enrolments ORDER BY plan, person
        """
      ).map { (try $0.get(0, as: String.self), try $0.get(1, as: String.self)) }
    }
    var random = TortureRandom(seed: scene.form.seed ^ 0xe891)
    let byPlan = Dictionary(grouping: met, by: \.1)
    var asked: [(user: String, plan: String)] = []
    // As many of a small plan as of a large one.
    let share = max(1, scene.form.explained / max(1, byPlan.count))
    for plan in byPlan.keys.sorted() {
      asked += (byPlan[plan] ?? []).shuffled(using: &random).prefix(share).map { ($0.0, $0.1) }
    }
    for _ in 0..<(scene.form.explained / 10) {
      let user = Int.random(in: 0..<scene.form.users, using: &random)
      guard let plan = run.plans.randomElement(using: &random) else { break }
      asked.append(("external_id:\(MonthPeople.key(user))", plan.key))
    }
    var answers: [JSONValue] = []
    for (user, plan) in asked {
      answers.append(
        try await scene.torture.api.call("GET", "/v1/users/\(user)/explain?plan=\(plan)"))
    }
    try lines("explain", answers)
  }
}
