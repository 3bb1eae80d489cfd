import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Tracking")
struct TrackingTests {
  @Test("takes all six calls of a batch, with the nulls that clients send")
  func sixCalls() async throws {
    try await TrackingScene.with { scene in
      let common: JSONObject = [
        "integrations": [:], "anonymousId": .null, "userId": "u-1", "context": [:],
        "timestamp": "2026-10-22T04:27:13.424+00:00",
      ]
      func message(_ type: String, _ more: JSONObject) -> JSONValue {
        var message = common
        message["type"] = .string(type)
        message["messageId"] = .string("m-\(type)")
        for (key, value) in more { message[key] = value }
        return .object(message)
      }
      try await scene.batch([
        message("identify", ["traits": ["plan": "pro", "email": "Li@Example.com"]]),
        message("track", ["event": "Order Paid", "properties": ["amount": .double(12.5)]]),
        message("page", ["name": "Docs", "category": .null, "properties": ["url": "/docs"]]),
        message("screen", ["name": "Home", "category": "Main", "properties": .null]),
        message("group", ["groupId": "g-1", "traits": ["name": "Initech"]]),
        message("alias", ["previousId": "anon-7"]),
      ])
      let events = try await scene.events(of: "external_id:u-1").compactMap { $0["data"] }
      #expect(
        Set(events.compactMap { $0["name"]?.stringValue })
          == ["$identify", "Order Paid", "page", "screen", "$group", "$alias"])
      func properties(_ name: String) -> JSONValue? {
        events.first { $0["name"]?.stringValue == name }?["properties"]
      }
      #expect(properties("$identify") == ["traits": ["plan", "email"]])
      #expect(properties("Order Paid") == ["amount": .double(12.5)])
      #expect(properties("page") == ["url": "/docs", "name": "Docs"])
      #expect(properties("screen") == ["name": "Home", "category": "Main"])
      #expect(properties("$group") == ["group_id": "g-1", "traits": ["name": "Initech"]])
      #expect(properties("$alias") == ["previous_id": "anon-7"])
      let user = try await scene.user("external_id:u-1")
      #expect(user["attributes"] == ["plan": "pro", "group_id": "g-1"])
      #expect(
        user["identities"]
          == ["external_id": "u-1", "email": "li@example.com", "anonymous_id": "anon-7"])
      #expect(try await scene.violations().isEmpty)
    }
  }

  @Test(
    "answers each call at its own path, at its letter and with a trailing slash",
    arguments: TrackingKind.allCases, ["", "/"])
  func paths(kind: TrackingKind, ending: String) async throws {
    try await TrackingScene.with { scene in
      for path in [kind.rawValue, String(kind.rawValue.prefix(1))] {
        let answer = try await scene.send(
          "/v1/\(path)\(ending)",
          [
            "userId": "u", "event": "e", "groupId": "g", "previousId": "p",
            "messageId": .string(path),
          ])
        #expect(answer.status == 200)
        #expect(answer.json == ["success": true])
      }
      let name = kind == .track ? "e" : kind.eventName
      #expect(try await scene.herald.count("SELECT count(*) FROM events WHERE name = \(name)") == 2)
    }
  }

  @Test("answers a batch at all its paths", arguments: ["batch", "b", "import", "batch/", "b/"])
  func batchPaths(path: String) async throws {
    try await TrackingScene.with { scene in
      let answer = try await scene.send(
        "/v1/\(path)", ["batch": [["type": "track", "userId": "u", "event": "e"]]])
      #expect(answer.status == 200)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 1)
    }
  }

  @Test("reads JSON by the body, whatever the content type says")
  func contentType() async throws {
    try await TrackingScene.with { scene in
      for type in ["text/plain", "application/x-www-form-urlencoded", "application/json"] {
        let answer = try await scene.send(
          "/v1/t", ["userId": "u", "event": "e"], headers: ["content-type": type])
        #expect(answer.status == 200)
      }
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 3)
    }
  }

  @Test("stores a message once, and refuses none for having been sent before")
  func once() async throws {
    try await TrackingScene.with { scene in
      let message: JSONValue = [
        "type": "track", "userId": "u", "event": "e", "messageId": "m-1",
        "timestamp": "2026-10-22T04:27:13.424Z",
      ]
      // A retry has a sentAt of its own, so that the corrected time differs.
      for delay in 0..<3 {
        try await scene.batch([message], sentAt: scene.now.addingTimeInterval(Double(delay)))
        scene.herald.clock.advance(by: 7)
      }
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 1)
      // The ids of another sender are another's.
      let other = try await scene.herald.key(.ingest, "app")
      try await scene.send("/v1/batch", ["batch": [message]], key: other)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 2)
    }
  }

  @Test("takes numbers for ids, and blank ids for none")
  func ids() async throws {
    try await TrackingScene.with { scene in
      try await scene.batch([
        ["type": "track", "userId": 1234, "event": "e", "messageId": 7],
        ["type": "track", "userId": "", "anonymousId": "a-1", "event": "e"],
      ])
      #expect(try await scene.events(of: "external_id:1234").first?["data"]?["message_id"] == "7")
      #expect(try await scene.events(of: "anonymous_id:a-1").count == 1)
    }
  }

  @Test("finds the traits where RudderStack puts them")
  func rudder() async throws {
    try await TrackingScene.with { scene in
      try await scene.batch([
        [
          "type": "identify", "userId": "u", "channel": "server", "integrations": ["All": true],
          "context": [
            "traits": ["plan": "pro", "phone": "13800138000"], "timezone": "Europe/Berlin",
            "locale": "de-DE", "library": ["name": "rudder"],
          ],
        ]
      ])
      let user = try await scene.user("external_id:u")
      #expect(user["attributes"] == ["plan": "pro"])
      #expect(user["identities"]?["phone"] == "+8613800138000")
      #expect(user["time_zone"] == "Europe/Berlin")
      #expect(user["locale"] == "de-DE")
      #expect(try await scene.context()["$fields"] == ["channel": "server"])
    }
  }

  @Test("keeps an e-mail address or telephone number that is none as an attribute")
  func badTraits() async throws {
    try await TrackingScene.with { scene in
      try await scene.send(
        "/v1/identify", ["userId": "u", "traits": ["email": "none", "phone": "12", "x": .null]])
      let user = try await scene.user("external_id:u")
      #expect(user["attributes"] == ["email": "none", "phone": "12"])
      #expect(user["identities"] == ["external_id": "u"])
    }
  }

  @Test("operates on traits, once per message, and takes an unknown operation for a value")
  func operations() async throws {
    try await TrackingScene.with { scene in
      let message: JSONValue = [
        "type": "identify", "userId": "u", "messageId": "m-1",
        "traits": ["points": ["$increment": 5], "odd": ["$ref": "x"]],
      ]
      for _ in 0..<3 { try await scene.batch([message, message]) }
      #expect(
        try await scene.user("external_id:u")["attributes"]
          == ["points": 5, "odd": ["$ref": "x"]])
    }
  }

  @Test("binds the id that came before to the user of an alias")
  func alias() async throws {
    try await TrackingScene.with { scene in
      try await scene.batch([
        ["type": "track", "anonymousId": "a-1", "event": "seen"],
        ["type": "alias", "previousId": "a-1", "userId": "u-1"],
        ["type": "track", "userId": "u-1", "event": "bought"],
      ])
      let names = try await scene.events(of: "external_id:u-1").map { $0["data"]?["name"] }
      #expect(names.contains("seen"))
      #expect(names.contains("bought"))
      #expect(try await scene.herald.count("SELECT count(*) FROM users") == 1)
    }
  }

  @Test("merges the batch's context under the message's own, and keeps what it does not know")
  func context() async throws {
    try await TrackingScene.with { scene in
      try await scene.send(
        "/v1/batch",
        [
          "context": ["ip": "1.2.3.4", "app": "web"], "integrations": ["All": false],
          "batch": [
            [
              "type": "track", "userId": "u", "event": "e", "context": ["app": "phone"],
              "integrations": ["Mixpanel": false], "extra": ["a": 1],
            ]
          ],
        ])
      #expect(
        try await scene.context() == [
          "ip": "1.2.3.4", "app": "phone",
          "$fields": ["integrations": ["Mixpanel": false], "extra": ["a": 1]],
        ])
    }
  }
}
