import Cryptography
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Webhooks of sources")
struct HookTests {
  private static let secret = "shpss_0123456789"

  private static let document: JSONValue = [
    "signature": ["scheme": "shopify", "secret": .string(secret)],
    "mapping": [
      "items": "/orders", "when": ["pointer": "/test", "ne": true],
      "user": ["external_id": "/customer"], "event": "order_paid", "timestamp": "/at",
      "message_id": "{{ item.id }}", "properties": ["amount": "/amount"],
      "attributes": ["last_amount": "/amount"],
    ],
  ]

  private struct Scene {
    let herald: HeraldInProcess
    let key: String

    func post(
      _ body: String, id: String? = nil, secret: String = HookTests.secret
    ) async throws -> HeraldInProcess.Answer {
      let code = Base64.encode(HMACSHA256.authenticate(body.utf8, key: secret.utf8))
      var headers: HTTPHeaders = ["x-shopify-hmac-sha256": code]
      if let id { headers.set("x-shopify-webhook-id", id) }
      return try await herald.call(.post, "/v1/hooks/shop", raw: Array(body.utf8), headers: headers)
    }

    func call(
      _ method: HTTPMethod, _ path: String, _ body: JSONValue? = nil
    ) async throws -> HeraldInProcess.Answer {
      try await herald.call(method, path, body, key: key)
    }
  }

  private func withSource(_ body: (Scene) async throws -> Void) async throws {
    try await HeraldInProcess.with { herald in
      let scene = Scene(herald: herald, key: try await herald.key(.operator, "olga"))
      #expect(try await scene.call(.put, "/v1/sources/shop", Self.document).status == 201)
      try await body(scene)
    }
  }

  private func orders(_ items: String...) -> String {
    #"{"orders": [\#(items.joined(separator: ","))]}"#
  }

  private func order(_ id: Int, amount: String = "5", customer: String = #""c-1""#) -> String {
    #"{"id": \#(id), "customer": \#(customer), "amount": \#(amount), "at": "2026-10-20T10:00:00Z"}"#
  }

  @Test("become events and attributes, once however often they come")
  func once() async throws {
    try await withSource { scene in
      let body = orders(order(1), order(2, amount: "7"), #"{"test": true}"#)
      let first = try await scene.post(body, id: "w-1")
      #expect(first.status == 200)
      #expect(
        first.json == ["accepted": 2, "duplicates": 0, "ignored": 1, "dead_letters": 0])
      // The request again, and its items in another request.
      #expect(try await scene.post(body, id: "w-1").json["duplicates"] == 3)
      let mixed = try await scene.post(orders(order(2), order(3, amount: "9")), id: "w-2")
      #expect(mixed.json == ["accepted": 1, "duplicates": 1, "ignored": 0, "dead_letters": 0])
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 3)
      let user = try await scene.call(.get, "/v1/users/external_id:c-1")
      #expect(user.json["attributes"] == ["last_amount": 9])
    }
  }

  @Test("with a bad signature are 401, then 429, and leave nothing; good ones go on")
  func refused() async throws {
    try await withSource { scene in
      let before = try await scene.herald.count(
        "SELECT count(*) FROM users")
      for _ in 0..<Sources.refusalLimit {
        #expect(try await scene.post(orders(order(1)), secret: "another-secret").status == 401)
      }
      let late = try await scene.post(orders(order(1)), secret: "another-secret")
      #expect(late.status == 429)
      #expect(late.headers["retry-after"] != nil)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 0)
      #expect(try await scene.herald.count("SELECT count(*) FROM source_dead_letters") == 0)
      #expect(try await scene.herald.count("SELECT count(*) FROM users") == before)
      #expect(try await scene.post(orders(order(1))).json["accepted"] == 1)
      scene.herald.clock.advance(by: 61)
      #expect(try await scene.post(orders(order(1)), secret: "another-secret").status == 401)
      #expect(
        try await scene.herald.call(.post, "/v1/hooks/nobody", raw: [], headers: [:]).status == 404)
    }
  }

  @Test(
    "that cannot be mapped go to the dead letters and can be replayed once the mapping is mended")
  func deadLetters() async throws {
    try await withSource { scene in
      let body = orders(
        order(1), order(2, customer: "null"), order(3, customer: #"{"id": "c-3"}"#))
      #expect(
        try await scene.post(body, id: "w-1").json
          == ["accepted": 1, "duplicates": 0, "ignored": 0, "dead_letters": 2])
      scene.herald.clock.advance(by: 1)
      #expect(try await scene.post("no json", id: "w-2").json["dead_letters"] == 1)
      scene.herald.clock.advance(by: 1)
      #expect(try await scene.post(#"{"orders": 1}"#, id: "w-3").json["dead_letters"] == 1)
      let listed = try await scene.call(.get, "/v1/sources/shop/dead-letters?limit=2")
      #expect(listed.json["data"]?.arrayValue?.count == 2)
      #expect(listed.json["next"] != .null)
      let all = try #require(
        try await scene.call(.get, "/v1/sources/shop/dead-letters").json["data"]?.arrayValue)
      #expect(all.count == 4)
      #expect(all[1]["text"] == "no json")
      #expect(all[1]["faults"]?.arrayValue?.first?["code"] == "invalid_json")
      #expect(all[0]["faults"]?.arrayValue?.first?["pointer"] == "/orders")
      let third = try #require(
        all.first { $0["body"]?["id"] == 3 && $0["index"] == 2 })
      #expect(third["faults"]?.arrayValue?.first?["pointer"] == "/orders/2/customer")
      let id = try #require(third["id"]?.stringValue)
      let path = "/v1/sources/shop/dead-letters/\(id)/replay"
      #expect(try await scene.call(.post, path).json["outcome"] == "dead_letter")
      #expect(
        try await scene.call(.get, "/v1/sources/shop/dead-letters/\(id)").json["tries"] == 2)

      var mended = try #require(Self.document.objectValue)
      var mapping = try #require(mended["mapping"]?.objectValue)
      mapping["user"] = ["external_id": "/customer/id"]
      mended["mapping"] = .object(mapping)
      mended["signature"] = ["scheme": "shopify", "secret": "***"]
      #expect(try await scene.call(.put, "/v1/sources/shop", .object(mended)).status == 200)
      #expect(try await scene.call(.post, path).json["outcome"] == "accepted")
      #expect(try await scene.call(.post, path).status == 404)
      #expect(
        try await scene.call(.post, "/v1/sources/shop/dead-letters/replay").json
          == ["accepted": 0, "duplicates": 0, "ignored": 0, "failed": 3])
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 2)
      #expect(try await scene.call(.get, "/v1/sources/shop").json["dead_letters"] == 3)
      #expect(
        try await scene.call(
          .delete, "/v1/sources/shop/dead-letters/\(all[1]["id"]?.stringValue ?? "")"
        )
        .status == 204)
    }
  }

  @Test("lose the dead letters that name a person who is erased")
  func erased() async throws {
    try await withSource { scene in
      _ = try await scene.post(orders(order(1, customer: #""person-1""#)))
      let bad = orders(
        order(2, amount: #"{"of": "PERSON-1"}"#, customer: "null"), order(3, customer: "null"))
      #expect(try await scene.post(bad).json["dead_letters"] == 2)
      #expect(try await scene.call(.delete, "/v1/users/external_id:person-1").status == 204)
      #expect(try await scene.herald.count("SELECT count(*) FROM source_dead_letters") == 1)
    }
  }

  @Test("keep the newest dead letters of a source only, and those of thirty days")
  func bounded() async throws {
    try await withSource { scene in
      try await scene.herald.execute(
        """
        INSERT INTO source_dead_letters (source, id, received_at, item_index, faults, headers, body,
          tried_at)
        SELECT 'shop', ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
          now() - interval '40 days', 0, '[]', '{}', '', now()
        FROM generate_series(1, \(DeadLetter.limit)) AS n
        """)
      #expect(try await scene.post("no json").json["dead_letters"] == 1)
      let count = try await scene.herald.count("SELECT count(*) FROM source_dead_letters")
      #expect(count == DeadLetter.limit)
      let before = scene.herald.clock.now.addingTimeInterval(-DeadLetter.retention)
      let pruned = try await scene.herald.app.db.pool.write { tx in
        try tx.execute(
          "UPDATE source_dead_letters SET received_at = \(before.addingTimeInterval(-1)) WHERE body = ''"
        )
        return try DeadLetterStore.prune(before: before, in: tx)
      }
      #expect(pruned == DeadLetter.limit - 1)
    }
  }

  @Test("are good under the old secret until its instant after a rotation")
  func rotation() async throws {
    try await withSource { scene in
      let until = scene.herald.clock.now.addingTimeInterval(3600)
      let rotated = try await scene.call(
        .post, "/v1/sources/shop/rotate",
        ["secret": "the-new-secret", "previous_until": .instant(until)])
      #expect(rotated.status == 200)
      #expect(rotated.json["signature"]?["previous_secret"] == "***")
      #expect(try await scene.post(orders(order(1))).status == 200)
      #expect(try await scene.post(orders(order(2)), secret: "the-new-secret").status == 200)
      scene.herald.clock.advance(by: 3600)
      #expect(try await scene.post(orders(order(3))).status == 401)
      #expect(try await scene.post(orders(order(3)), secret: "the-new-secret").status == 200)
      let stored = try await scene.herald.count(
        "SELECT count(*) FROM sources WHERE config::text LIKE '%new-secret%' OR config::text LIKE '%shpss%'"
      )
      #expect(stored == 0)
    }
  }

  @Test("are shown by a test as what they would become, and nothing is stored")
  func tested() async throws {
    try await withSource { scene in
      let answer = try await scene.call(
        .post, "/v1/sources/shop/test",
        [
          "body": [
            "orders": [["id": 1, "customer": "c-1", "amount": 5], ["id": 2], ["test": true]]
          ]
        ])
      #expect(answer.status == 200)
      let items = try #require(answer.json["items"]?.arrayValue)
      #expect(items.map { $0["outcome"] } == ["accepted", "dead_letter", "ignored"])
      #expect(items[0]["identities"] == ["external_id": "c-1"])
      #expect(items[0]["event"]?["message_id"] == "1")
      #expect(items[0]["attributes"] == ["last_amount": 5])
      #expect(items[1]["faults"]?.arrayValue?.first?["pointer"] == "/orders/1/customer")
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 0)
      #expect(try await scene.herald.count("SELECT count(*) FROM source_dead_letters") == 0)
      #expect(try await scene.herald.count("SELECT count(*) FROM users") == 0)
    }
  }

  @Test("of a source are the business of unscoped writers; what GET answers can be PUT again")
  func access() async throws {
    try await withSource { scene in
      for role in [Role.analyst, .approver, .ingest] {
        let key = try await scene.herald.key(role, "someone")
        let answer = try await scene.herald.call(
          .put, "/v1/sources/shop", Self.document, key: key)
        #expect(answer.status == 403)
        let letters = try await scene.herald.call(
          .get, "/v1/sources/shop/dead-letters", key: key)
        #expect(letters.status == 403)
      }
      let known = try await scene.call(.get, "/v1/sources/shop")
      var again = JSONObject()
      for field in ["live", "signature", "mapping"] { again[field] = known.json[field] }
      let second = try await scene.call(.put, "/v1/sources/shop", .object(again))
      #expect(second.status == 200)
      #expect(try await scene.call(.delete, "/v1/sources/shop").status == 204)
      #expect(try await scene.call(.get, "/v1/sources/shop").status == 404)
      #expect(try await scene.post(orders(order(1))).status == 404)
    }
  }
}
