import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Declared types of attributes")
struct AttributeTypeTests {
  @Test(
    "fit the values that they name",
    arguments: [
      (AttributeType.string, [#""x""#], ["1", "true", "[]"]),
      (.number, ["1", "1.5"], [#""1""#, "false"]), (.integer, ["1", "2.0"], ["1.5", #""1""#]),
      (.boolean, ["true"], [#""true""#, "1"]), (.array, ["[]"], ["{}", #""a""#]),
      (.object, ["{}"], ["[]"]),
      (.date, [#""2024-02-29""#], [#""2023-02-29""#, #""2024-02-29T00:00:00Z""#, "20240229"]),
      (.instant, [#""2024-02-29T10:00:00+08:00""#], [#""2024-02-29""#, "1"]),
    ] as [(AttributeType, [String], [String])])
  func fits(type: AttributeType, good: [String], bad: [String]) throws {
    for text in good { #expect(type.fits(try JSONScanner.parse(Array(text.utf8))), "\(text)") }
    for text in bad { #expect(!type.fits(try JSONScanner.parse(Array(text.utf8))), "\(text)") }
  }

  private func declare(_ api: PeopleAPI, _ types: [String: String]) async throws {
    for (key, type) in types {
      let answer = try await api.call(.put, "/v1/attributes/\(key)", ["type": .string(type)])
      #expect(answer.status == 201)
    }
  }

  private func attributes(_ api: PeopleAPI, _ user: String = "u") async throws -> JSONValue? {
    try await api.call(.get, "/v1/users/external_id:\(user)").json["attributes"]
  }

  private func pointers(_ json: JSONValue?) -> [String] {
    json?["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? []
  }

  @Test("hold for upserts, patches and batches, which name every fault")
  func users() async throws {
    try await PeopleAPI.with { api in
      try await declare(
        api, ["age": "integer", "name": "string", "born": "date", "cities": "array"])
      let wrong: JSONValue = [
        "age": .double(1.5), "name": 7, "born": "1984-02-30", "cities": "x", "other": 1,
      ]
      let upsert = try await api.call(
        .post, "/v1/users", ["identities": ["external_id": "u"], "attributes": wrong])
      #expect(upsert.status == 422)
      #expect(
        pointers(upsert.json).sorted() == [
          "/attributes/age", "/attributes/born", "/attributes/cities", "/attributes/name",
        ])
      #expect(try await api.count("SELECT count(*) FROM users") == 0)
      try await api.user("u", ["attributes": ["age": 41, "name": "Li", "cities": ["a"]]])
      for operation in [
        ["age": ["$increment": .double(0.5)]], ["age": ["$append": 1]],
        ["cities": ["$increment": 1]], ["born": ["$set_if_absent": true]], ["name": ["$set": [:]]],
      ] as [JSONValue] {
        let answer = try await api.call(
          .patch, "/v1/users/external_id:u", ["attributes": operation])
        #expect(answer.status == 422, "\(operation)")
        #expect(pointers(answer.json) == ["/attributes/\(operation.objectValue?.keys[0] ?? "")"])
      }
      let good = try await api.call(
        .patch, "/v1/users/external_id:u",
        [
          "attributes": [
            "age": ["$increment": 1], "cities": ["$append": "b"], "name": .null,
            "born": "1984-02-29",
          ]
        ])
      #expect(
        good.json["attributes"] == ["age": 42, "cities": ["a", "b"], "born": "1984-02-29"])
      let batch = try await api.call(
        .post, "/v1/users/batch",
        [
          "users": [
            ["identities": ["external_id": "v"], "attributes": ["age": 1]],
            ["identities": ["external_id": "w"], "attributes": ["age": "1"]],
          ]
        ])
      let results = batch.json["results"]?.arrayValue
      #expect(results?.map { $0["status"]?.intValue } == [201, 422])
      #expect(pointers(results?.last?["problem"]) == ["/users/1/attributes/age"])
    }
  }

  @Test("hold for events, which may come again, mended")
  func events() async throws {
    try await PeopleAPI.with { api in
      try await declare(api, ["age": "integer"])
      func send(_ age: JSONValue) async throws -> PeopleAPI.Answer {
        let event: JSONValue = [
          "user": ["external_id": "u"], "name": "x", "message_id": "m",
          "attributes": ["age": age],
        ]
        return try await api.call(.post, "/v1/events", ["events": [event]])
      }
      let answer = try await send("41")
      let rejection = answer.json["rejected"]?.arrayValue?.first
      #expect(rejection?["code"] == "type_mismatch")
      #expect(rejection?["pointer"] == "/events/0/attributes/age")
      #expect(try await api.count("SELECT count(*) FROM users") == 0)
      #expect(try await send(41).json["accepted"] == 1)
      #expect(try await attributes(api) == ["age": 41])
    }
  }

  @Test("hold for traits, which are noted as violations")
  func tracking() async throws {
    try await TrackingScene.with { scene in
      let admin = try await scene.herald.key(.admin, "anna")
      _ = try await scene.herald.call(
        .put, "/v1/attributes/age", ["type": "integer"], key: admin)
      try await scene.batch([
        ["type": "identify", "userId": "u", "traits": ["age": "old"]],
        ["type": "identify", "userId": "v", "traits": ["age": 3]],
      ])
      let violation = try await scene.violations().first
      #expect(violation?["code"] == "type_mismatch" && violation?["pointer"] == "/traits/age")
      #expect(try await scene.user("external_id:v")["attributes"] == ["age": 3])
    }
  }

  @Test("hold for imports: rows of CSV are read by them, what cannot be is in the error file")
  func imports() async throws {
    try await PeopleAPI.with { api in
      try await declare(
        api, ["code": "string", "age": "integer", "born": "date", "cities": "array"])
      func run(_ text: String, _ type: String, kind: String = "users") async throws -> String {
        let answer = try await api.call(
          .post, "/v1/imports?kind=\(kind)", bytes: Array(text.utf8),
          headers: ["content-type": type])
        while try await api.runner.runNext() {}
        let job = answer.json["job"]?.stringValue ?? ""
        return try await api.call(.get, "/v1/jobs/\(job)/errors").text
      }
      let csv = try await run(
        """
        external_id,code,age,born,cities
        u,4711,41,1984-02-29,"[""杭州""]"
        v,true,old,,
        w,,,today,

        """, "text/csv")
      #expect(
        try await attributes(api)
          == ["code": "4711", "age": 41, "born": "1984-02-29", "cities": ["杭州"]])
      #expect(csv.contains("3,type_mismatch,/attributes/age"))
      #expect(csv.contains("4,type_mismatch,/attributes/born"))
      #expect(try await api.count("SELECT count(*) FROM users") == 1)
      let lines = try await run(
        #"{"identities":{"external_id":"x"},"attributes":{"code":5}}"# + "\n",
        "application/x-ndjson")
      #expect(lines.contains("1,type_mismatch,/attributes/code"))
      let events = try await run(
        #"{"user":{"external_id":"u"},"name":"n","attributes":{"code":5}}"# + "\n",
        "application/x-ndjson", kind: "events")
      #expect(events.contains("1,type_mismatch,/attributes/code"))
    }
  }

  @Test("go with merge rules that leave them what they are")
  func rules() async throws {
    try await PeopleAPI.with { api in
      for (type, rule, status) in [
        ("string", "union", 422), ("date", "sum", 422), ("array", "union", 201),
        ("number", "sum", 200),
      ] {
        let answer = try await api.call(
          .put, "/v1/attributes/x", ["type": .string(type), "merge": .string(rule)])
        #expect(answer.status == status)
        if status == 422 { #expect(pointers(answer.json) == ["/merge"]) }
      }
    }
  }
}
