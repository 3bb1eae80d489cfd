import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Attribute operations")
struct AttributeOperationTests {
  @Test(
    "change what there is",
    arguments: [
      (#"{"$increment":5}"#, nil, "5"), (#"{"$increment":5}"#, "null", "5"),
      (#"{"$increment":-2.5}"#, "10", "7.5"), (#"{"$increment":0.1}"#, "0.2", "0.3"),
      (#"{"$append":"a"}"#, nil, #"["a"]"#),
      (#"{"$append":["a","b"]}"#, #"["a"]"#, #"["a","a","b"]"#),
      (#"{"$remove":"a"}"#, #"["a","b","a"]"#, #"["b"]"#),
      (#"{"$remove":["a","b"]}"#, #"["b"]"#, "[]"),
      (#"{"$remove":1}"#, "[1.0,2]", "[2]"), (#"{"$remove":"a"}"#, nil, nil),
      (#"{"$set_if_absent":1}"#, nil, "1"), (#"{"$set_if_absent":1}"#, "2", "2"),
      (#"{"$set_if_absent":1}"#, "null", "1"), (#"{"$set_if_absent":1}"#, "false", "false"),
      (#"{"$unset":true}"#, "2", nil), ("null", "2", nil),
      (#"{"$set":{"$x":1}}"#, "2", #"{"$x":1}"#),
      (#"{"a":1}"#, "2", #"{"a":1}"#), (#"{"$a":1,"b":2}"#, "2", #"{"$a":1,"b":2}"#),
      ("{}", "2", "{}"),
    ] as [(String, String?, String?)])
  func applied(operation: String, before: String?, after: String?) throws {
    func json(_ text: String?) throws -> JSONValue? {
      try text.map { try JSONScanner.parse(Array($0.utf8)) }
    }
    let operation = try AttributeOperation(#require(try json(operation)))
    #expect(try operation.applied(to: json(before)) == json(after))
    // As JSON it is the same again.
    #expect(try AttributeOperation(operation.json) == operation)
  }

  @Test(
    "are refused when they fit nothing",
    arguments: [
      (#"{"$increment":"5"}"#, "$increment"), (#"{"$increment":null}"#, "$increment"),
      (#"{"$unset":false}"#, "$unset"), (#"{"$append":null}"#, "$append"),
      (#"{"$set_if_absent":null}"#, "$set_if_absent"), (#"{"$inc":5}"#, "$inc"), (#"{"$":1}"#, "$"),
    ])
  func refused(text: String, place: String) throws {
    let value = try JSONScanner.parse(Array(text.utf8))
    let fault = #expect(throws: JSONFault.self) { _ = try AttributeOperation(value) }
    #expect(fault?.pointer.tokens == [place])
  }

  @Test(
    "are refused by a value of another kind, and by arrays and numbers that grow too large",
    arguments: [
      (#"{"$increment":1}"#, #""5""#), (#"{"$append":1}"#, "{}"), (#"{"$remove":1}"#, "5"),
      (#"{"$increment":1e-300}"#, "1e300"),
    ])
  func unfit(operation: String, before: String) throws {
    let operation = try AttributeOperation(JSONScanner.parse(Array(operation.utf8)))
    let before = try JSONScanner.parse(Array(before.utf8))
    #expect(throws: JSONFault.self) { _ = try operation.applied(to: before) }
    let full = JSONValue.array(Array(repeating: 1, count: AttributeOperation.elementLimit))
    #expect(throws: JSONFault.self) { _ = try AttributeOperation.append([1]).applied(to: full) }
  }
}

@Suite("Attribute operations on users")
struct AttributeChangeTests {
  private func attributes(_ api: PeopleAPI, _ user: String = "u") async throws -> JSONValue? {
    try await api.call(.get, "/v1/users/external_id:\(user)").json["attributes"]
  }

  @Test("by PATCH, upsert and batch see what those before them did")
  func writes() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u", ["attributes": ["points": ["$increment": 5], "name": "Li"]])
      let patched = try await api.call(
        .patch, "/v1/users/external_id:u",
        ["attributes": ["points": ["$increment": -2], "seen": ["$append": "a"], "name": .null]])
      #expect(patched.json["attributes"] == ["points": 3, "seen": ["a"]])
      let item: JSONValue = [
        "identities": ["external_id": "u"],
        "attributes": ["points": ["$increment": 1], "seen": ["$append": ["b"]]],
      ]
      let set: JSONValue = ["identities": ["external_id": "u"], "attributes": ["points": 10]]
      let fresh: JSONValue = [
        "identities": ["external_id": "new"], "attributes": ["points": ["$increment": 1]],
      ]
      let batch = try await api.call(
        .post, "/v1/users/batch", ["users": [item, set, item, fresh, fresh]])
      #expect(batch.json["results"]?.arrayValue?.map { $0["status"] } == [200, 200, 200, 201, 200])
      #expect(try await attributes(api) == ["points": 11, "seen": ["a", "b", "b"]])
      #expect(try await attributes(api, "new") == ["points": 2])
    }
  }

  @Test("that do not fit are a 422 at their place, and change nothing")
  func refused() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u", ["attributes": ["name": "Li", "n": 1]])
      let patch: JSONValue = [
        "attributes": ["n": ["$increment": 1], "name": ["$increment": 1]]
      ]
      let answer = try await api.call(.patch, "/v1/users/external_id:u", patch)
      #expect(answer.status == 422)
      #expect(answer.json["pointer"] == "/attributes/name")
      let unknown = try await api.call(
        .patch, "/v1/users/external_id:u", ["attributes": ["n": ["$inc": 1]]])
      #expect(unknown.status == 422)
      #expect(unknown.json["pointer"] == "/attributes/n/$inc")
      let item: JSONValue = [
        "identities": ["external_id": "u"], "attributes": ["name": ["$append": 1], "n": 7],
      ]
      let good: JSONValue = [
        "identities": ["external_id": "u"], "attributes": ["n": ["$increment": 1]],
      ]
      let batch = try await api.call(.post, "/v1/users/batch", ["users": [item, good]])
      #expect(batch.json["results"]?.arrayValue?.map { $0["status"] } == [422, 200])
      #expect(
        batch.json["results"]?.arrayValue?.first?["problem"]?["pointer"]
          == "/users/0/attributes/name")
      #expect(try await attributes(api) == ["name": "Li", "n": 2])
    }
  }

  @Test("of an event happen with it, once however often it comes")
  func events() async throws {
    try await PeopleAPI.with { api in
      let event: JSONValue = [
        "message_id": "m-1", "user": ["external_id": "u"], "name": "order_paid",
        "attributes": [
          "points": ["$increment": 5], "orders": ["$append": "o-1"], "first": ["$set_if_absent": 1],
        ],
      ]
      for _ in 0..<3 {
        let answer = try await api.call(.post, "/v1/events", ["events": [event, event]])
        #expect(answer.status == 200)
      }
      #expect(try await attributes(api) == ["points": 5, "orders": ["o-1"], "first": 1])
      #expect(try await api.count("SELECT count(*) FROM events") == 1)
    }
  }

  @Test("that cannot be made refuse their event, which may come again")
  func refusedEvent() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u", ["attributes": ["n": "one"]])
      func event(_ id: String, _ attributes: JSONValue) -> JSONValue {
        [
          "message_id": .string(id), "user": ["external_id": "u"], "name": "e",
          "attributes": attributes,
        ]
      }
      let answer = try await api.call(
        .post, "/v1/events",
        [
          "events": [
            event("a", ["n": ["$increment": 1]]), event("b", ["m": ["$increment": 1]]),
            event("c", ["n": ["$what": 1]]), event("d", 7), event("e", ["": 1]),
          ]
        ])
      #expect(answer.json["accepted"] == 1)
      #expect(
        answer.json["rejected"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } == [
          "/events/0/attributes/n", "/events/2/attributes/n/$what", "/events/3/attributes",
          "/events/4/attributes/",
        ])
      #expect(try await attributes(api) == ["n": "one", "m": 1])
      _ = try await api.call(.patch, "/v1/users/external_id:u", ["attributes": ["n": 1]])
      let again = try await api.call(
        .post, "/v1/events", ["events": [event("a", ["n": ["$increment": 1]])]])
      #expect(again.json["accepted"] == 1)
      #expect(try await attributes(api) == ["n": 2, "m": 1])
    }
  }

  @Test("of many at once, crossing, are all counted")
  func concurrency() async throws {
    try await PeopleAPI.with { api in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<8 {
          group.addTask {
            let events = (0..<30).map { n -> JSONValue in
              [
                "message_id": .string("m-\(writer)-\(n)"),
                "user": ["external_id": .string("u\(writer % 2 == 0 ? n % 10 : 9 - n % 10)")],
                "name": "e", "attributes": ["n": ["$increment": 1]],
              ]
            }
            let answer = try await api.call(.post, "/v1/events", ["events": .array(events)])
            #expect(answer.json["accepted"] == 30)
          }
          group.addTask {
            for n in 0..<10 {
              let answer = try await api.call(
                .post, "/v1/users",
                [
                  "identities": ["external_id": .string("u\(n)")],
                  "attributes": ["n": ["$increment": 1]],
                ])
              #expect(answer.status < 300)
            }
          }
        }
        try await group.waitForAll()
      }
      let sum = try await api.count("SELECT sum((attributes->>'n')::bigint)::bigint FROM users")
      #expect(sum == 8 * 30 + 8 * 10)
    }
  }
}
