import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("Catalogue of events and attributes")
struct CatalogueTests {
  private func send(
    _ events: [JSONValue], _ herald: HeraldInProcess, _ key: String
  ) async throws -> HeraldInProcess.Answer {
    let answer = try await herald.call(
      .post, "/v1/events", ["events": .array(events)], key: key)
    try await Catalogue(db: herald.app.db).fold(now: herald.clock.now)
    return answer
  }

  private func event(_ name: String, _ properties: JSONValue) -> JSONValue {
    ["user": ["external_id": "u-1"], "name": .string(name), "properties": properties]
  }

  @Test("knows names, types, counts and times, and shows samples of nothing personal")
  func seen() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      _ = try await send(
        [
          event("order_paid", ["amount": 10, "note": "crimson", "email": "li@example.com"]),
          event("order_paid", ["amount": "12", "note": "ring 13800138000", "gone": .null]),
        ], herald, key)
      _ = try await send([event("order_paid", ["amount": 3]), event("viewed", [:])], herald, key)
      let list = try await herald.call(.get, "/v1/catalogue/events", key: key)
      #expect(
        list.json["data"]?.arrayValue?.map { $0["name"] } == ["order_paid", "viewed"])
      let detail = try await herald.call(.get, "/v1/catalogue/events/order_paid", key: key)
      #expect(detail.json["count"] == 3)
      let fields = Dictionary(
        uniqueKeysWithValues: (detail.json["properties"]?.arrayValue ?? []).map {
          ($0["name"]?.stringValue ?? "", $0)
        })
      #expect(Set(fields.keys) == ["amount", "note", "email"])
      #expect(fields["amount"]?["types"] == ["number": 2, "string": 1])
      #expect(fields["amount"]?["count"] == 3)
      #expect(fields["note"]?["samples"] == ["crimson"])
      #expect(fields["email"]?["samples"] == [])
      #expect(fields["email"]?["personal"] == true)
      let analyst = try await herald.key(.analyst, "anna")
      let masked = try await herald.call(.get, "/v1/catalogue/events/order_paid", key: analyst)
      #expect(!String(decoding: masked.bytes, as: UTF8.self).contains("crimson"))
      #expect(
        try await herald.call(.get, "/v1/catalogue/events/none", key: key).status == 404)
    }
  }

  @Test("lists the attributes of users")
  func attributes() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      for age in [41, 20] {
        try await herald.user(
          "u-\(age)", ["attributes": ["age": .int(age), "name": "李雷"]], key: key)
      }
      try await Catalogue(db: herald.app.db).fold(now: herald.clock.now)
      let list = try await herald.call(.get, "/v1/catalogue/attributes", key: key)
      let fields = list.json["data"]?.arrayValue
      #expect(fields?.map { $0["name"] } == ["age", "name"])
      #expect(fields?.first?["types"] == ["number": 2])
      #expect(Set(fields?.first?["samples"]?.arrayValue?.compactMap(\.intValue) ?? []) == [41, 20])
      #expect(fields?.last?["samples"] == [])
    }
  }

  @Test("a declared schema refuses, flags or only documents")
  func declared() async throws {
    try await HeraldInProcess.with { herald in
      let key = try await herald.key(.operator, "li.lei")
      let path = "/v1/catalogue/events/order_paid"
      func declare(_ mode: JSONValue) async throws -> HeraldInProcess.Answer {
        try await herald.call(
          .put, path,
          [
            "properties": [
              "amount": ["type": "number", "required": true], "at": ["type": "instant"],
            ], "mode": mode,
          ], key: key)
      }
      #expect(try await declare("reject").status == 201)
      let answer = try await send(
        [
          event("order_paid", ["amount": 1, "other": true]), event("order_paid", ["amount": "1"]),
          event("order_paid", [:]), event("order_paid", ["amount": 1, "at": "today"]),
          event("viewed", [:]),
        ], herald, key)
      #expect(answer.json["accepted"] == 2)
      #expect(
        answer.json["rejected"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } == [
          "/events/1/properties/amount", "/events/2/properties/amount",
          "/events/3/properties/at",
        ])
      // Another process, so that its declarations are fresh.
      #expect(try await declare("flag").status == 200)
      let other = try HeraldInProcess(pool: herald.app.db.pool, clock: herald.clock)
      let flagged = try await send([event("order_paid", [:])], other, key)
      #expect(flagged.json["accepted"] == 1)
      let detail = try await herald.call(.get, path, key: key)
      #expect(detail.json["flagged"] == 1)
      #expect(detail.json["count"] == 2)
      #expect(detail.json["mode"] == "flag")
      let listed = try await herald.call(
        .get, "/v1/violations?event=order_paid", key: key)
      let violation = listed.json["data"]?.arrayValue?.first
      #expect(listed.json["data"]?.arrayValue?.count == 1)
      #expect(violation?["code"] == "required" && violation?["stored"] == true)
      #expect(violation?["pointer"] == "/properties/amount" && violation?["source"] == "api")
      #expect(violation?["principal"] == "li.lei" && violation?["event"] == "order_paid")
      let segment = try await herald.call(
        .put, "/v1/segments/s",
        [
          "name": "S", "refresh": "live",
          "condition": ["event": "order_paid", "where": [["property": "amount", "gt": "1"]]],
        ], key: key)
      #expect(segment.pointers == ["/condition/where/0/gt"])
      #expect(try await herald.call(.delete, path, key: key).status == 204)
      #expect(try await herald.call(.delete, path, key: key).status == 404)
      let bad = try await herald.call(
        .put, path, ["properties": ["a": ["type": "money"], "b": 1], "mode": "shout"], key: key)
      #expect(Set(bad.pointers) == ["/mode", "/properties/a/type", "/properties/b"])
    }
  }

  @Test("somebody who puts ids into names does not fill it")
  func bounded() {
    var tally = CatalogueTally()
    let now = Date(timeIntervalSince1970: 0)
    for number in 0..<2000 {
      tally.add(event: "e", at: now, properties: Array(#"{"p\#(number)": 1}"#.utf8))
    }
    #expect(tally.events["e"]?.count == 2000)
    #expect(tally.events["e"]?.properties.count == CatalogueTally.fieldLimit)
    #expect(CatalogueTally(json: tally.json) == tally)
  }
}
