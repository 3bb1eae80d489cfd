import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("What sources do to attributes")
struct SourceOperationTests {
  private static let document: JSONValue = [
    "signature": ["scheme": "none"],
    "mapping": [
      "items": "", "user": ["external_id": "/customer"], "event": ["pointer": "/kind"],
      "message_id": "{{ item.id }}",
      "attributes": [
        "orders": ["$increment": 1],
        "spent": ["$increment": ["pointer": "/total", "as": "number"]],
        "skus": ["$append": "/skus"], "wishes": ["$remove": "/skus"],
        "first": ["$set_if_absent": "/id"], "last": "/id", "cart": ["$unset": "/paid"],
      ],
    ],
  ]

  private static func bare() -> JSONValue {
    var document = Self.document.objectValue ?? [:]
    var mapping = document["mapping"]?.objectValue ?? [:]
    mapping["event"] = nil
    document["mapping"] = .object(mapping)
    return .object(document)
  }

  private func order(_ id: Int, _ more: JSONObject = [:]) -> JSONValue {
    var order: JSONObject = [
      "id": .int(id), "customer": "c", "kind": "order_paid", "total": "2.50", "skus": ["s", "t"],
      "paid": true,
    ]
    for (key, value) in more { order[key] = value }
    return .object(order)
  }

  @Test("is what the direct calls do, with an event and without", arguments: [true, false])
  func operations(hasEvent: Bool) async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "olga")
      try await herald.user(
        "c", ["attributes": ["wishes": ["t", "v"], "cart": [1], "orders": 4]], key: key)
      let document = hasEvent ? Self.document : Self.bare()
      let put = try await herald.call(.put, "/v1/sources/shop", document, key: key)
      #expect(put.status == 201, "\(put.json)")
      #expect(put.json["mapping"] == document["mapping"])
      func send(_ items: JSONValue...) async throws -> JSONValue {
        try await herald.call(.post, "/v1/hooks/shop", .array(items)).json
      }
      let first = try await send(order(1), order(2, ["skus": .null, "total": 1]), order(1))
      #expect(first["accepted"] == 2 && first["duplicates"] == 1)
      // Sent again, an order counts once.
      #expect(try await send(order(2))["duplicates"] == 1)
      func attributes() async throws -> JSONValue? {
        try await herald.call(.get, "/v1/users/external_id:c", key: key).json["attributes"]
      }
      let expected: JSONValue = [
        "wishes": ["v"], "orders": 6, "spent": .double(3.5), "skus": ["s", "t"], "first": 1,
        "last": 2,
      ]
      #expect(try await attributes() == expected)
      // What does not fit what there is becomes a dead letter, and counts when it is mended.
      _ = try await herald.call(
        .patch, "/v1/users/external_id:c", ["attributes": ["orders": "many"]], key: key)
      #expect(try await send(order(3))["dead_letters"] == 1)
      let letters = try await herald.call(.get, "/v1/sources/shop/dead-letters", key: key)
      let fault = letters.json["data"]?.arrayValue?.first?["faults"]?.arrayValue?.first
      #expect(fault?["code"] == "type_mismatch")
      #expect(fault?["field"] == "/mapping/attributes/orders")
      _ = try await herald.call(
        .patch, "/v1/users/external_id:c", ["attributes": ["orders": 6]], key: key)
      let replay = try await herald.call(
        .post, "/v1/sources/shop/dead-letters/replay", key: key)
      #expect(replay.json["accepted"] == 1)
      #expect(try await attributes()?["orders"] == 7)
    }
  }

  @Test("is held against declared types, and shown by a test call")
  func types() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "olga")
      _ = try await herald.call(.put, "/v1/attributes/last", ["type": "string"], key: key)
      for (number, document) in [Self.document, Self.bare()].enumerated() {
        let path = "/v1/sources/s-\(number)"
        _ = try await herald.call(.put, path, document, key: key)
        let body: JSONValue = .array([order(1)])
        let test = try await herald.call(.post, "\(path)/test", ["body": body], key: key)
        let shown = test.json["items"]?.arrayValue?.first?["attributes"]
        #expect(shown?["spent"] == ["$increment": .double(2.5)] && shown?["last"] == 1)
        #expect(shown?["cart"] == .some(.null))
        let sent = try await herald.call(.post, "/v1/hooks/s-\(number)", body)
        #expect(sent.json["dead_letters"] == 1)
        let letters = try await herald.call(.get, "\(path)/dead-letters", key: key)
        let fault = letters.json["data"]?.arrayValue?.first?["faults"]?.arrayValue?.first
        #expect(fault?["field"] == "/mapping/attributes/last")
      }
      #expect(try await herald.count("SELECT count(*) FROM users") == 0)
    }
  }

  @Test(
    "is refused where it is no operation, or of no value",
    arguments: [
      (["$inc": 1], "/mapping/attributes/a/$inc"),
      (["$increment": .null], "/mapping/attributes/a/$increment"),
      (["$append": ["pointer": "x"]], "/mapping/attributes/a/$append/pointer"),
      (["$increment": 1, "$append": 1], "/mapping/attributes/a"),
    ] as [(JSONValue, String)])
  func refused(operation: JSONValue, pointer: String) async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "olga")
      let answer = try await herald.call(
        .put, "/v1/sources/s",
        [
          "signature": ["scheme": "none"],
          "mapping": ["user": ["external_id": "/u"], "attributes": ["a": operation]],
        ], key: key)
      #expect(answer.status == 422)
      #expect(answer.pointers.contains(pointer), "\(answer.pointers)")
    }
  }
}
