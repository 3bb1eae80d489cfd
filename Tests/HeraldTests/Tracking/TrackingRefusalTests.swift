import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Tracking refusals")
struct TrackingRefusalTests {
  @Test(
    "are 400 with code and message for what is no body at all",
    arguments: [
      ("batch", ""), ("batch", "{"), ("batch", "[]"), ("batch", "7"), ("batch", "{}"),
      ("batch", #"{"batch":{}}"#), ("batch", #"{"batch":null}"#), ("batch", #"{"batch":[}"#),
      ("batch", #"{"batch":[{"type":tru}]}"#), ("batch", #"{"batch":[]} x"#),
      ("batch", #"{"batch":[{"a":[1}]}"#), ("track", "null"), ("track", "[]"), ("track", "{]"),
      ("identify", "hello"), ("t", #"{"userId":"u","event":"e""#),
    ])
  func bodies(path: String, text: String) async throws {
    try await TrackingScene.with { scene in
      let answer = try await scene.send("/v1/\(path)", text: text)
      #expect(answer.status == 400)
      #expect(answer.json["code"]?.stringValue == "malformed_json")
      #expect(answer.json["message"]?.stringValue?.isEmpty == false)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 0)
      #expect(try await scene.violations().isEmpty)
    }
  }

  @Test("are a violation for a message that is no good; its neighbours are stored")
  func items() async throws {
    try await TrackingScene.with { scene in
      let good: JSONValue = ["type": "track", "userId": "u", "event": "good"]
      let bad: [(JSONValue, String, String)] = [
        ("text", "type_mismatch", ""),
        (["userId": "u", "event": "e"], "required", "/type"),
        (["type": "trak", "userId": "u"], "invalid_choice", "/type"),
        (["type": "track", "event": "e", "userId": .null], "required", "/userId"),
        (["type": "track", "userId": "u", "event": .null], "required", "/event"),
        (["type": "track", "userId": "u", "event": ["a": 1]], "type_mismatch", "/event"),
        (
          ["type": "track", "userId": "u", "event": "e", "properties": []], "type_mismatch",
          "/properties"
        ),
        (["type": "alias", "userId": "u"], "required", "/previousId"),
        (["type": "group", "userId": "u"], "required", "/groupId"),
        (["type": "identify", "userId": "u", "traits": "x"], "type_mismatch", "/traits"),
        (["type": "identify", "userId": "u", "traits": ["": 1]], "invalid_format", "/traits/"),
      ]
      try await scene.batch([good] + bad.map(\.0) + [good])
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 2)
      let found = try await scene.violations("?limit=100")
      #expect(found.count == bad.count)
      for (message, code, pointer) in bad {
        let violation = found.first { $0["payload"]?.stringValue == message.text }
        #expect(violation?["code"]?.stringValue == code, "\(message.text)")
        #expect(violation?["pointer"]?.stringValue == pointer, "\(message.text)")
        #expect(violation?["stored"] == false)
        #expect(violation?["principal"] == "shop")
      }
    }
  }

  @Test("of what Herald takes from nobody concern the one message")
  func poison() async throws {
    try await TrackingScene.with { scene in
      let poison = [
        #"{"type":"track","userId":"u","event":"e","properties":{"a":"\u0000"}}"#,
        #"{"type":"track","userId":"u","event":"e","properties":{"a":1,"a":2}}"#,
        #"{"type":"track","userId":"u","event":"e","properties":{"a":1e400}}"#,
        #"{"type":"track","userId":"u","event":"e","properties":"#
          + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "}",
      ]
      let good = #"{"type":"track","userId":"u","event":"good","properties":{"a":"]\"}"}}"#
      let answer = try await scene.send(
        "/v1/batch", text: #"{"batch":["# + (poison + [good]).joined(separator: ",") + "]}")
      #expect(answer.status == 200)
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 1)
      #expect(try await scene.violations().count == poison.count)
    }
  }

  @Test("told again by a retry are noted once; of an operation that does not fit, at its trait")
  func operations() async throws {
    try await TrackingScene.with { scene in
      let set: JSONValue = ["userId": "u", "traits": ["points": "many"]]
      try await scene.send("/v1/identify", set)
      let add: JSONValue = [
        "userId": "u", "messageId": "m-1", "traits": ["points": ["$increment": 1]],
      ]
      for _ in 0..<3 { #expect(try await scene.send("/v1/identify", add).status == 200) }
      let found = try await scene.violations()
      #expect(found.count == 1)
      #expect(found.first?["pointer"] == "/traits/points")
      #expect(found.first?["message_id"] == "m-1")
      // Mended on the server's side, the same message goes through: its key was not kept.
      try await scene.send("/v1/identify", ["userId": "u", "traits": ["points": 1]])
      try await scene.send("/v1/identify", add)
      #expect(try await scene.user("external_id:u")["attributes"] == ["points": 2])
    }
  }

  @Test("spare a message over the soft limit, and take one beyond the ceiling by itself")
  func sizes() async throws {
    try await TrackingScene.with { scene in
      func message(_ bytes: Int) -> JSONValue {
        [
          "type": "track", "userId": "u", "event": "e",
          "properties": ["pad": .string(String(repeating: "x", count: bytes))],
        ]
      }
      try await scene.batch([message(40 << 10), message(300 << 10), message(10)])
      #expect(try await scene.herald.count("SELECT count(*) FROM events") == 2)
      let found = try await scene.violations()
      #expect(Set(found.compactMap { $0["code"]?.stringValue }) == ["message_large", "too_long"])
      #expect(found.allSatisfy { ($0["payload"]?.stringValue?.utf8.count ?? 0) <= 32 << 10 })
      #expect(found.contains { ($0["payload_bytes"]?.intValue ?? 0) > 300 << 10 })
      let huge = try await scene.send("/v1/track", message(6 << 20))
      #expect(huge.status == 400)
      #expect(huge.code == "batch_too_large")
      #expect(huge.json["message"]?.stringValue?.isEmpty == false)
    }
  }

  @Test("leave out what is beyond ten thousand messages, and say so")
  func tooMany() async throws {
    try await TrackingScene.with { scene in
      let messages = String(repeating: "{},", count: TrackingLimits.messages + 4) + "{}"
      let answer = try await scene.send("/v1/b", text: #"{"batch":["# + messages + "]}")
      #expect(answer.status == 200)
      let found = try await scene.violations("?code=too_long")
      #expect(found.first?["detail"]?.stringValue?.hasPrefix("5 messages") == true)
    }
  }
}
