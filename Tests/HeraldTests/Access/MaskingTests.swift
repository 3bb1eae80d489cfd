import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("What is not for everybody's eyes, over all of the API") struct MaskingTests {
  /// Everything personal of u-0 and u-1, in places that say so and in places that do not.
  private func furnish(_ scene: CampaignScene) async throws {
    // Before the first event: declarations are looked at once a second.
    try await scene.put(
      "catalogue/events/flagged",
      ["properties": ["amount": ["type": "number", "required": true]], "mode": "flag"])
    try await scene.people(2) { n, user in
      user["attributes"] = [
        "name": .string("Canary\(n)"), "brand": n == 0 ? "A" : "B",
        "contact": .string("call 1381000000\(n)"), "alt": .string("canary\(n)@example.com"),
      ]
      user["tags"] = ["remark": .string("mail canary\(n)@example.com")]
    }
    try await scene.put("tags/vip", ["name": "VIP", "category": "order", "type": "flag"])
    try await scene.coupon("c", codes: 2)
    try await scene.launch(
      PlanText.plan(
        steps: PlanText.steps(
          PlanText.step("gift", PlanText.coupon, #""next": "tell""#),
          PlanText.step("tell", PlanText.push))))
    try await scene.drain()
    for n in 0...1 {
      let user = "external_id:u-\(n)"
      try await scene.herald.call(
        .patch, "/v1/users/\(user)",
        ["identities": ["email": .string("canary\(n)@example.com")]], key: scene.admin
      ).discard()
      try await scene.herald.call(
        .post, "/v1/events",
        [
          "events": [
            [
              "user": .string(user), "name": "order_paid", "message_id": .string("m-\(n)"),
              "properties": [
                "amount": 5, "note": .string("ring +861381000000\(n)"),
                "mobile": .int(13_810_000_000 + n),
              ],
            ]
          ]
        ], key: scene.admin
      ).discard()
    }
    try await scene.herald.call(
      .patch, "/v1/users/external_id:u-0", ["identities": ["phone": "+8613810000007"]],
      key: scene.admin
    ).discard()
    try await queue(scene)
  }

  /// What waits for a person to look at it, and quotes what came in: conflicts, violations, flagged
  /// events, dead letters.
  private func queue(_ scene: CampaignScene) async throws {
    func call(_ method: HTTPMethod, _ path: String, _ body: JSONValue) async throws {
      let answer = try await scene.herald.call(method, path, body, key: scene.admin)
      #expect(200..<300 ~= answer.status, "\(path) \(answer.json)")
    }
    try await call(
      .put, "/v1/sources/none",
      [
        "signature": ["scheme": "none"],
        "mapping": ["user": ["email": "/email"], "event": "x", "timestamp": "/at"],
      ])
    for n in 0...1 {
      let (user, email) = ("external_id:u-\(n)", JSONValue.string("canary\(n)@example.com"))
      try await call(
        .post, "/v1/events",
        [
          "events": [
            [
              "user": .string(user), "name": "flagged", "message_id": .string("f-\(n)"),
              "properties": ["note": .string("ring +861381000000\(n)"), "who": email],
            ],
            // Nobody is merged with a stranger who has a name of their own.
            [
              "user": [
                "external_id": .string("stranger-\(n)"), "wechat_unionid": .string("w-\(n)"),
              ],
              "name": "x", "message_id": .string("s-\(n)"),
            ],
            [
              "user": [
                "external_id": .string("u-\(n)"), "wechat_unionid": .string("w-\(n)"),
                "email": email,
              ],
              "name": "x", "message_id": .string("c-\(n)"),
            ],
          ]
        ])
      try await call(
        .post, "/v1/track", ["userId": .string("u-\(n)"), "properties": ["email": email]])
      try await call(.post, "/v1/hooks/none", ["email": email, "at": "Canary\(n)"])
    }
    for (table, count) in [
      ("identity_conflicts", 2), ("violations", 4), ("source_dead_letters", 2),
    ] {
      #expect(
        try await scene.herald.count("SELECT count(*) FROM \(identifier: table)") == count,
        "\(table)")
    }
  }

  /// Every GET with something to show, filled in.
  private func targets(
    _ scene: CampaignScene, _ role: Role, user: String
  ) async throws -> [String] {
    func first(_ path: String) async throws -> String {
      let list = try await scene.herald.call(.get, path, key: scene.admin)
      return list.json["data"]?.arrayValue?.first?["id"]?.stringValue ?? UUID().text
    }
    let ids = [
      "approvals": try await first("/v1/approvals"), "jobs": try await first("/v1/jobs"),
      "erasures": try await first("/v1/erasures"),
      "identity-conflicts": try await first("/v1/identity-conflicts"),
      "sources": try await first("/v1/sources/none/dead-letters"),
    ]
    let keys = [
      "tags": "vip", "segments": "crowd", "templates": "p", "coupons": "c", "plans": "hello",
      "senders": "gw-push", "sources": "none",
    ]
    var targets: [String] = []
    for endpoint in scene.herald.app.endpoints where endpoint.method == .get {
      guard case .roles(let roles) = endpoint.access, roles.contains(role) else { continue }
      let noun = String(endpoint.pattern.split(separator: "/").dropFirst().first ?? "")
      let path = endpoint.pattern.replacing("{u}", with: user)
        .replacing("{key}", with: keys[noun] ?? "none")
        .replacing("{id}", with: ids[noun] ?? UUID().text)
        .replacing("{version}", with: "1").replacing("{name}", with: "order_paid")
        .replacing("{address}", with: "phone:%2B8613899999999")
      switch endpoint.pattern {
      case "/v1/users/{u}/explain":
        targets += [path + "?plan=hello", path + "?segment=crowd"]
      case "/v1/segments/{key}/insight":
        targets += ["attribute:contact", "attribute:alt", "tag:remark"].map { "\(path)?by=\($0)" }
      case "/v1/plans/{key}/report": targets.append(path + "?by=step")
      default: targets.append(path)
      }
    }
    return targets
  }

  @Test("no telephone number, e-mail address or name is shown to an analyst")
  func analyst() async throws {
    try await CampaignScene.with { scene in
      try await furnish(scene)
      let key = try await scene.herald.key(.analyst, "anna")
      let targets = try await targets(scene, .analyst, user: "external_id:u-0")
      #expect(targets.count > 35)
      for target in targets {
        let answer = try await scene.herald.call(.get, target, key: key)
        let text = String(decoding: answer.bytes, as: UTF8.self)
        #expect(answer.status < 500, "\(target) \(text)")
        for secret in ["1381000000", "canary0@", "canary1@", "Canary0", "Canary1", "t-0", "u-1\""] {
          #expect(!text.contains(secret), "\(target) shows \(secret): \(text)")
        }
      }
      let user = try await scene.herald.call(.get, "/v1/users/external_id:u-0", key: key)
      #expect(user.status == 200)
      #expect(user.json["attributes"]?["contact"] == "c***")
    }
  }

  @Test("nobody outside a key's user scope is shown to it")
  func scope() async throws {
    try await CampaignScene.with { scene in
      try await furnish(scene)
      let outside = try await scene.herald.call(
        .get, "/v1/users/external_id:u-1", key: scene.admin)
      let id = try #require(outside.json["id"]?.stringValue)
      let scope: JSONValue = ["attribute": "brand", "eq": "A"]
      let key = try await scene.herald.key(.admin, "dealer", scope: try .stored(scope))
      for target in try await targets(scene, .admin, user: "external_id:u-0") {
        let answer = try await scene.herald.call(.get, target, key: key)
        let text = String(decoding: answer.bytes, as: UTF8.self)
        #expect(answer.status < 500, "\(target) \(text)")
        for secret in [id, "13810000001", "canary1@", "Canary1", "\"u-1\""] {
          #expect(!text.contains(secret), "\(target) shows \(secret): \(text)")
        }
      }
      let user = try await scene.herald.call(.get, "/v1/users/external_id:u-0", key: key)
      #expect(user.json["attributes"]?["name"] == "Canary0")
    }
  }

  @Test(
    "telephone numbers and e-mail addresses are known in any text",
    arguments: [
      ("call 13800138000", true), ("+86 138 0013 8000", true), ("+8613800138000.", true),
      ("li@example.com", true), ("<li@example.co>", true), ("138-0013-8000", true),
      ("2026-11-20T10:00:00Z", false), ("order 202611200001", false), ("12800138000", false),
      ("a@b", false), ("@home", false), ("128.50", false), ("", false), ("+12", false),
    ])
  func addresses(text: String, isOne: Bool) {
    #expect(UserMask.isAddress(text) == isOne)
  }
}
