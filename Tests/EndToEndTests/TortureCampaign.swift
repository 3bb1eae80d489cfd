import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres

/// One plan, approved: a push through a sender that may resend, with an SMS for those without a
/// device; a coupon; an SMS that shows its code through a sender that may not.
struct TortureCampaign: Sendable {
  let key: String
  let recipients: Int
  let approver: APIClient
  let operator_: APIClient

  static let idempotentSender = "sure"
  static let onceSender = "once"

  struct Shape {
    var recipients = 1000
    /// Messages a second of each sender.
    var pace: Double?
    var concurrency = 64
    var holdout = 0.05
    var perMinute: Int?
  }

  /// People, senders, templates, the coupon and the plan's draft.
  static func prepare(
    _ key: String, _ shape: Shape, in scene: TortureScene
  ) async throws -> TortureCampaign {
    let admin = scene.api
    let first = try await client("operator", "li", scene)
    let second = try await client("approver", "wang", scene)
    try await people(key, shape.recipients, scene)
    for (name, channel, isIdempotent) in [
      (idempotentSender, "push", true), (onceSender, "sms", false),
    ] {
      var sender: JSONObject = [
        "channel": .string(channel), "adapter": "http",
        "config": [
          "url": .string("\(scene.gateway)/\(channel)"), "secret": .string(TortureScene.secret),
          "idempotent": .bool(isIdempotent),
        ],
        "concurrency": .int(shape.concurrency),
      ]
      if let pace = shape.pace { sender["pace"] = ["per_second": .double(pace)] }
      try await admin.call("PUT", "/v1/senders/\(name)", .object(sender))
    }
    try await content(key, shape.recipients, first)
    var plan: JSONObject = [
      "name": "Torture", "trigger": ["segment": .string(key), "at": "now"],
      "goals": [["stage": "recall", "event": "order_paid", "within": "3d", "primary": true]],
      "holdout": .double(shape.holdout),
      "steps": [
        [
          "id": "hello",
          "send": [
            "chain": [
              ["channel": "push", "template": "push"], ["channel": "sms", "template": "short"],
            ]
          ],
        ],
        ["id": "gift", "send": ["chain": [["channel": "coupon", "coupon": .string(key)]]]],
        ["id": "tell", "send": ["chain": [["channel": "sms", "template": "code"]]]],
      ],
    ]
    if let pace = shape.perMinute { plan["limits"] = ["per_minute": .int(pace)] }
    try await first.call("PUT", "/v1/plans/\(key)", .object(plan))
    return TortureCampaign(
      key: key, recipients: shape.recipients, approver: second, operator_: first)
  }

  static func client(
    _ role: String, _ principal: String, _ scene: TortureScene
  ) async throws -> APIClient {
    let made = try await scene.api.call(
      "POST", "/v1/keys",
      ["name": .string(role), "role": .string(role), "principal": .string(principal)])
    guard let key = made["key"]?.stringValue else {
      throw APIClient.Failure(description: "the new key was not shown")
    }
    return scene.api.with(key: key)
  }

  /// One in ten has no device, one in twenty-five refuses SMS.
  private static func people(_ batch: String, _ count: Int, _ scene: TortureScene) async throws {
    for start in stride(from: 0, to: count, by: 1000) {
      let users = (start..<min(start + 1000, count)).map { index -> JSONValue in
        [
          "identities": [
            "external_id": .string("\(batch)-\(index)"),
            "phone": .string("+8613" + String(100_000_000 + index)),
          ],
          "attributes": ["name": .string("用户\(index)"), "batch": .string(batch)],
          "consents": ["sms": .string(index % 25 == 7 ? "denied" : "granted")],
          "devices": index % 10 == 3
            ? []
            : [
              ["platform": "ios", "token": .string("token-\(batch)-\(index)"), "provider": "http"]
            ],
        ]
      }
      try await scene.api.call("POST", "/v1/users/batch", ["users": .array(users)])
    }
  }

  private static func content(_ key: String, _ count: Int, _ client: APIClient) async throws {
    try await client.call(
      "PUT", "/v1/segments/\(key)",
      [
        "name": "All", "refresh": "live",
        "condition": ["attribute": "batch", "eq": .string(key)],
      ])
    try await client.call(
      "PUT", "/v1/templates/push",
      ["channel": "push", "content": ["title": "Hi", "body": "Hi {{ user.name }}"]])
    for (name, text) in [
      ("short", "Hi {{ user.name }}"), ("code", "Your code: {{ steps.gift.coupon.code }}"),
    ] {
      try await client.call(
        "PUT", "/v1/templates/\(name)",
        ["channel": "sms", "content": ["text": .string(text), "signature": "Herald"]])
    }
    try await client.call(
      "PUT", "/v1/coupons/\(key)",
      [
        "name": "10 off", "per_user": 1, "valid": ["days_after_issue": 7],
        "discount": ["type": "amount_off", "value": ["amount": "10", "currency": "CNY"]],
        "codes": ["generate": ["count": .int(count), "pattern": "W26-##########"]],
      ])
  }

  /// Submits; returns the path to approve at and the body to send there.
  func submit() async throws -> (path: String, body: JSONValue) {
    let submitted = try await operator_.call(
      "POST", "/v1/plans/\(key)/submit", ["comment": "please"])
    guard let approval = submitted["approval"]?.stringValue, let hash = submitted["hash"] else {
      throw APIClient.Failure(description: "no approval in \(submitted)")
    }
    return ("/v1/approvals/\(approval)/approve", ["hash": hash])
  }

  /// Submits and approves, which launches it.
  func launch() async throws {
    let approval = try await submit()
    try await approver.call("POST", approval.path, approval.body)
  }

  /// Whether the run is over. Looks past Herald, so that it works while Herald is down.
  func isCompleted(_ scene: TortureScene) async throws -> Bool {
    let key = key
    return try await scene.look { db in
      try db.one("SELECT 1 FROM runs WHERE plan = \(key) AND state = 'completed'") != nil
    }
  }

  /// How many deliveries are settled, which tells how far it is.
  func settled(_ scene: TortureScene) async throws -> Int {
    let key = key
    return try await scene.look { db in
      try db.one(
        "SELECT count(*) FROM deliveries WHERE plan = \(key) AND status <> 'pending'")?.get(0) ?? 0
    }
  }

  /// Returns when some messages are out.
  func begins(_ scene: TortureScene, settled: Int = 20) async throws {
    _ = try await TortureScene.eventually("the sending begins") {
      try await self.settled(scene) >= settled ? true : nil
    }
  }

  func completes(_ scene: TortureScene, within limit: Duration = .seconds(120)) async throws {
    _ = try await TortureScene.eventually(
      "the run completes", within: limit, every: .milliseconds(50)
    ) { try await isCompleted(scene) ? true : nil }
  }
}
