import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Batches with what Herald takes from nobody")
struct EventIsolationTests {
  private func nested(_ depth: Int) -> String {
    String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
  }

  @Test("of events store the others, and point at the place")
  func events() async throws {
    try await PeopleAPI.with { api in
      func event(_ more: String) -> String { #"{"user":{"external_id":"u"},"name":"e"\#(more)}"# }
      let bad: [(text: String, code: String, pointer: String)] = [
        (event(#","properties":{"a":"\u0000"}"#), "invalid_text", "/properties/a"),
        (event(#","properties":{"a":1,"a":2}"#), "duplicate_key", "/properties/a"),
        (event(#","properties":{"b":{"a":1e400}}"#), "out_of_range", "/properties/b/a"),
        (event(#","attributes":{"a":"\ud800"}"#), "invalid_text", "/attributes/a"),
        (event(#","name":"f""#), "duplicate_key", "/name"),
        (
          #"{"user":{"external_id":"u","external_id":"v"},"name":"e"}"#, "duplicate_key",
          "/user/external_id"
        ),
        (#"{"user":{"external_id":"\u0000"},"name":"e"}"#, "invalid_text", "/user/external_id"),
        (#"{"user":"\u0000","name":"e"}"#, "invalid_text", "/user"),
        (#"{"user":"external_id:u","name":"\u0000"}"#, "invalid_text", "/name"),
      ]
      let items = [event("")] + bad.map(\.text) + [event(#","properties":{"a":"]\"}"}"#)]
      let answer = try await api.call(
        .post, "/v1/events",
        bytes: Array((#"{"events":["# + items.joined(separator: " , ") + "]}").utf8))
      #expect(answer.status == 200)
      #expect(answer.json["accepted"] == 2)
      let rejected = try #require(answer.json["rejected"]?.arrayValue)
      #expect(rejected.map { $0["index"]?.intValue } == Array(1...bad.count))
      #expect(rejected.map { $0["code"]?.stringValue } == bad.map(\.code))
      #expect(
        rejected.map { $0["pointer"]?.stringValue }
          == bad.enumerated().map { "/events/\($0 + 1)\($1.pointer)" })
      let deep = event(#","properties":{"a":\#(nested(40))}"#)
      let second = try await api.call(
        .post, "/v1/events", bytes: Array(#"{"events":[\#(deep),\#(event(""))]}"#.utf8))
      #expect(second.status == 200 && second.json["accepted"] == 1)
      #expect(second.json["rejected"]?.arrayValue?.first?["code"] == "too_complex")
      #expect(try await api.count("SELECT count(*) FROM events") == 3)
    }
  }

  @Test("are told which field was meant")
  func hints() async throws {
    try await PeopleAPI.with { api in
      let answer = try await api.call(
        .post, "/v1/events",
        [
          "events": [
            ["user": "external_id:u", "event": "e"],
            ["user": "external_id:u", "name": "e", "propertys": [:]],
            ["user": "external_id:u", "name": "e", "amount": 5],
          ]
        ])
      let told = (answer.json["rejected"]?.arrayValue ?? []).map { $0["detail"]?.stringValue ?? "" }
      #expect(told.count == 3)
      for (text, hint) in zip(told, ["'name'?", "'properties'?", "goes into 'properties'."]) {
        #expect(text.hasSuffix(hint), "\(text)")
      }
    }
  }

  @Test("of users change the others")
  func users() async throws {
    try await PeopleAPI.with { api in
      func user(_ id: String, _ more: String = "") -> String {
        #"{"identities":{"external_id":"\#(id)"}\#(more)}"#
      }
      let items = [
        user("a"), user("b", #","attributes":{"x":"\u0000"}"#),
        user("c", #","attributes":{"x":1,"x":2}"#), user("d", #","attributes":{"x":1e400}"#),
        user("e", #","attributes":{"x":\#(nested(40))}"#), "7", user("f"),
      ]
      let answer = try await api.call(
        .post, "/v1/users/batch",
        bytes: Array((#"{"users": ["# + items.joined(separator: ",") + "] }").utf8))
      #expect(answer.status == 200)
      let results = try #require(answer.json["results"]?.arrayValue)
      #expect(results.map { $0["status"] } == [201, 422, 422, 422, 422, 422, 201])
      let pointers = results.map { $0["problem"]?["pointer"]?.stringValue }
      #expect(
        pointers[1...3] == [
          "/users/1/attributes/x", "/users/2/attributes/x", "/users/3/attributes/x",
        ])
      #expect(pointers[5] == "/users/5")
      #expect(try await api.count("SELECT count(*) FROM users") == 2)
    }
  }

  @Test(
    "stay refused as a whole where they are no JSON, or no batch",
    arguments: [
      ("events", #"{"events":[{"user":"external_id:u","name":tru}]}"#, 400),
      ("events", #"{"events":[{"user":["external_id:u"},"name":"e"}]}"#, 400),
      ("events", #"{"events":[{"user":"external_id:u","name":"e"},]}"#, 400),
      ("users/batch", "", 400), ("users/batch", #"{"users":[{]}"#, 400),
      ("users/batch", #"{"users":[{"identities":[1}}]}"#, 400),
      ("users/batch", #"{"users":[],"users":[]}"#, 400), ("users/batch", #"{"users":[]} x"#, 400),
      ("users/batch", "[]", 422), ("users/batch", "{}", 422), ("users/batch", #"{"users":7}"#, 422),
      ("users/batch", #"{"users":[],"more":1}"#, 422), ("users/batch", #"{"users":[]}"#, 200),
      (
        "users/batch",
        #"{"users":["# + Array(repeating: "1", count: 1001).joined(separator: ",") + "]}", 422
      ),
    ])
  func bodies(path: String, text: String, status: Int) async throws {
    try await PeopleAPI.with { api in
      let answer = try await api.call(.post, "/v1/\(path)", bytes: Array(text.utf8))
      #expect(answer.status == status)
    }
  }
}
