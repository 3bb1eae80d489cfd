import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Events that a declared schema flags")
struct FlaggedEventTests {
  private func declare(_ herald: HeraldInProcess, _ name: String, _ key: String) async throws {
    let answer = try await herald.call(
      .put, "/v1/catalogue/events/\(name)",
      ["properties": ["amount": ["type": "number", "required": true]], "mode": "flag"], key: key)
    #expect(answer.status == 201)
  }

  private func event(_ user: String, _ name: String, _ amount: JSONValue) -> JSONValue {
    [
      "user": ["external_id": .string(user)], "name": .string(name),
      "message_id": .string("\(user)-\(name)-\(amount.text)"), "properties": ["amount": amount],
    ]
  }

  @Test("are stored and listed once, newest first, page by page, by event and sender")
  func listed() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.admin, "li.lei")
      for name in ["order_paid", "refunded"] { try await declare(herald, name, key) }
      for number in 0..<5 {
        let events: [JSONValue] = [
          event("u-\(number)", "order_paid", "n-\(number)"), event("u-\(number)", "order_paid", 1),
          event("u-\(number)", "refunded", true), event("u-\(number)", "viewed", "x"),
        ]
        for _ in 0..<2 {
          let answer = try await herald.call(
            .post, "/v1/events", ["events": .array(events)], key: key)
          #expect(answer.status == 200)
        }
        herald.clock.advance(by: 60)
      }
      var seen: [String] = []
      var after = ""
      repeat {
        let page = try await herald.call(
          .get, "/v1/violations?event=order_paid&limit=2\(after)", key: key)
        #expect(page.status == 200)
        seen += page.json["data"]?.arrayValue?.compactMap { $0["message_id"]?.stringValue } ?? []
        after = page.json["next"]?.stringValue.map { "&after=\($0)" } ?? ""
      } while !after.isEmpty
      #expect(seen == (0..<5).reversed().map { "u-\($0)-order_paid-\"n-\($0)\"" })
      func count(_ query: String) async throws -> Int? {
        try await herald.call(.get, "/v1/violations?\(query)", key: key)
          .json["data"]?.arrayValue?.count
      }
      #expect(try await count("stored=true&source=api&code=type_mismatch") == 10)
      #expect(try await count("event=viewed") == 0)
      #expect(try await count("principal=nobody") == 0)
      let one = try await herald.call(.get, "/v1/violations?event=refunded&limit=1", key: key)
      let violation = one.json["data"]?.arrayValue?.first
      #expect(violation?["payload"] == #"{"name":"refunded","properties":{"amount":true}}"#)
      let id = violation?["id"]?.stringValue.flatMap(UUID.init)
      #expect(try await herald.count("SELECT count(*) FROM events WHERE id = \(id)") == 1)
    }
  }

  @Test("go with the person, and show themselves to nobody who may not see them")
  func personal() async throws {
    try await HeraldInProcess.with { herald in
      let admin = try await herald.key(.admin, "li.lei")
      try await declare(herald, "order_paid", admin)
      for user in ["a", "b"] {
        try await herald.user(
          user, ["attributes": ["brand": .string(user)]], key: admin)
      }
      let dealer = try await herald.key(
        .admin, "li.lei", scope: try .stored(["attribute": "brand", "eq": "a"]))
      _ = try await herald.call(
        .post, "/v1/events",
        ["events": [event("a", "order_paid", "secret"), event("b", "order_paid", "secret")]],
        key: admin)
      func users(_ key: String) async throws -> HeraldInProcess.Answer {
        try await herald.call(.get, "/v1/violations", key: key)
      }
      #expect(try await users(admin).json["data"]?.arrayValue?.count == 2)
      #expect(try await users(dealer).json["data"]?.arrayValue?.count == 1)
      let analyst = try await users(try await herald.key(.analyst, "anna"))
      #expect(!String(decoding: analyst.bytes, as: UTF8.self).contains("secret\"}"))
      let export = try await herald.call(.get, "/v1/users/external_id:b/export", key: admin)
      #expect(export.json["violations"]?.arrayValue?.count == 1)
      let erased = try await herald.call(.delete, "/v1/users/external_id:b", key: admin)
      #expect(erased.status == 204)
      #expect(try await users(admin).json["data"]?.arrayValue?.count == 1)
    }
  }
}
