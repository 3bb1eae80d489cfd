import Foundation
import HTTP
import JSON
import Testing

@testable import Herald

@Suite("API triggers, scenes and dates") struct OccasionTests {
  @Test("a call makes a person enter, once per Idempotency-Key; refusals are outcomes")
  func call() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(2)
      try await scene.put(
        "templates/e",
        ["channel": "push", "content": ["title": "Code", "body": "{{ event.code }}"]])
      let body: JSONValue = ["user": "external_id:u-0", "properties": ["code": "4711"]]
      let ingest = try await scene.herald.key(.ingest, "shop")
      func call(_ body: JSONValue, _ key: String) async throws -> HeraldInProcess.Answer {
        try await scene.herald.call(
          .post, "/v1/plans/hello/trigger", body, key: ingest,
          headers: ["idempotency-key": key])
      }
      try await scene.draft(
        CampaignScene.triggered(
          #"{"api": true}"#, #""reentry": {"limit": 1, "per": "1h", "key": "code"}"#,
          steps: PlanText.step("hello", #"{"channel": "push", "template": "e"}"#)))
      #expect(try await call(body, "k0").status == 409)
      let submitted = try await scene.submit()
      #expect(try await scene.approve(submitted).status == 200)
      let first = try await call(body, "k1")
      #expect(first.status == 202)
      #expect(first.json["outcome"] == "entered")
      #expect(try await call(body, "k1").bytes == first.bytes)
      let again = try await call(body, "k2")
      #expect(again.json["outcome"] == "skipped" && again.json["code"] == "reentry_limit")
      #expect(try await call(["user": "external_id:nobody"], "k3").status == 404)
      #expect(try await call(["user": 5, "propertys": [:]], "k4").status == 422)
      try await scene.drain()
      #expect(scene.sent == ["u-0 push 4711"])
      #expect(try await scene.people() == "targeted 2, finished 1, reentry_limit 1")
    }
  }

  @Test("a scene picks people by its properties and runs once")
  func scene() async throws {
    try await CampaignScene.with { scene in
      try await scene.people(4) { n, user in
        user["attributes"] =
          [
            ["city": "杭州"], ["city": ["上海", "杭州"]], ["city": "杭州市"], ["city": "北京"],
          ][n]
      }
      try await scene.event("wished", 3, ["sku": "s-1"])
      try await scene.launch(
        CampaignScene.triggered(
          #"""
          {"scene": "weather_changed", "where": [{"property": "weather", "eq": "rain"}],
           "match": [{"property": "city", "attribute": "city"}]}
          """#), key: "rain")
      try await scene.launch(
        CampaignScene.triggered(
          #"""
          {"scene": "price_dropped",
           "match": [{"property": "sku", "event": "wished", "within": "30d"}]}
          """#), key: "price")
      func happen(_ body: JSONValue) async throws -> JSONValue {
        let answer = try await scene.herald.call(.post, "/v1/scenes", body, key: scene.admin)
        #expect(answer.status == 202, "\(String(decoding: answer.bytes, as: UTF8.self))")
        try await scene.drain()
        return answer.json["duplicate"] ?? .null
      }
      let rain: JSONValue = [
        "name": "weather_changed", "message_id": "w-1",
        "properties": ["city": "杭州", "weather": "rain"],
      ]
      #expect(try await happen(rain) == false)
      #expect(try await happen(rain) == true)
      #expect(
        try await happen([
          "name": "weather_changed", "properties": ["city": "杭州", "weather": "sun"],
        ]) == false)
      #expect(try await happen(["name": "weather_changed"]) == false)
      #expect(scene.sent.map { $0.prefix(3) } == ["u-0", "u-1"])
      #expect(
        try await happen(["name": "price_dropped", "properties": ["sku": "s-1"]]) == false)
      #expect(scene.sent.map { $0.prefix(3) } == ["u-0", "u-1", "u-3"])
      #expect(try await scene.people(of: "rain") == "targeted 2, finished 2")
    }
  }

  @Test("birthdays come at the local hour of each person's day, 29 February on 1 March")
  func birthdays() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2027-02-27T00:00:00Z")
      let days = ["1984-02-29", "1990-03-01", "1990-02-28", "02-29", "1990-03-02"]
      try await scene.people(5) { n, user in
        user["attributes"] = ["birthday": .string(days[n])]
        user["time_zone"] = n == 1 ? "America/New_York" : "Asia/Shanghai"
      }
      try await scene.launch(
        CampaignScene.triggered(#"{"date": "birthday", "at": "10:00"}"#), key: "day")
      try await scene.launch(
        CampaignScene.triggered(
          #"{"date": "birthday", "offset": "-1d", "at": "10:00", "zone": "Asia/Shanghai"}"#),
        key: "before")
      var sent: [String: [String]] = [:]
      var known = 0
      for hour in 0..<(24 * 5) {
        scene.herald.clock.advance(by: 3600)
        try await scene.drain()
        let fresh = scene.herald.channel.messages.dropFirst(known)
        known += fresh.count
        for message in fresh {
          let external = message.externalID ?? "-"
          sent["\(message.plan) \(external)", default: []].append(
            scene.herald.clock.now.rfc3339.replacingOccurrences(of: ".000Z", with: "Z"))
        }
        _ = hour
      }
      #expect(
        sent == [
          "day u-0": ["2027-03-01T02:00:00Z"], "day u-1": ["2027-03-01T15:00:00Z"],
          "day u-2": ["2027-02-28T02:00:00Z"], "day u-3": ["2027-03-01T02:00:00Z"],
          "day u-4": ["2027-03-02T02:00:00Z"], "before u-0": ["2027-02-28T02:00:00Z"],
          "before u-1": ["2027-02-28T02:00:00Z"], "before u-2": ["2027-02-27T02:00:00Z"],
          "before u-3": ["2027-02-28T02:00:00Z"], "before u-4": ["2027-03-01T02:00:00Z"],
        ])
    }
  }

  @Test("a year after the last purchase, over history too")
  func anniversary() async throws {
    try await CampaignScene.with { scene in
      try scene.at("2026-11-22T00:00:00Z")
      try await scene.people(4)
      let year = 365.0 * 86_400
      let cooler: JSONValue = ["category": "cooler"]
      try await scene.events([
        ("paid", 0, year, cooler), ("paid", 1, year, ["category": "book"]),
        ("paid", 2, year, cooler), ("paid", 2, 86_400, cooler),
        ("paid", 3, year + 86_400, cooler),
      ])
      for pick in ["last", "each"] {
        try await scene.launch(
          CampaignScene.triggered(
            #"""
            {"date": {"event": "paid", "pick": "\#(pick)",
              "where": [{"property": "category", "eq": "cooler"}]},
             "offset": "365d", "at": "10:00"}
            """#), key: pick)
      }
      try await scene.drain(2 * 3600 + 1)
      #expect(try await scene.people(of: "last") == "targeted 1, finished 1")
      #expect(try await scene.people(of: "each") == "targeted 2, finished 2")
      #expect(scene.sent.map { $0.prefix(3) } == ["u-0", "u-0", "u-2"])
    }
  }

  @Test(
    "every fault of a trigger is named at its place",
    arguments: [
      (#"{"event": "a", "api": true}"#, ["invalid /trigger/api", "unknown_field /trigger/event"]),
      (
        #"{"segment": "s", "cron": "0 0 31 2 *", "zone": "Mars/Base"}"#,
        ["invalid_format /trigger/cron", "invalid_format /trigger/zone"]
      ),
      (
        #"{"segment": "s", "cron": "0 0 * * *", "at": "now"}"#,
        ["invalid /trigger/at", "required /trigger/zone"]
      ),
      (
        #"{"segment": "s", "on": "entered"}"#,
        ["required /trigger/at", "unknown_field /trigger/on"]
      ),
      (
        #"{"event": "a", "occurrence": "last", "unless": {"event": "b", "same": 1}}"#,
        [
          "invalid_choice /trigger/occurrence", "required /trigger/unless/within",
          "type_mismatch /trigger/unless/same",
        ]
      ),
      (
        #"{"event": "a", "where": [{"property": "x", "gt": null}]}"#,
        ["type_mismatch /trigger/where/0/gt"]
      ),
      (
        #"{"date": {"event": "a", "pick": "first"}, "offset": "1h", "at": "25:00"}"#,
        [
          "invalid_choice /trigger/date/pick", "invalid_format /trigger/at",
          "invalid_format /trigger/offset",
        ]
      ),
      (#"{"scene": "rain"}"#, ["required /trigger/match"]),
      (
        #"{"scene": "rain", "match": [{"property": "city"}]}"#,
        ["required /trigger/match/0/attribute"]
      ),
      (#"{"api": false}"#, ["invalid_choice /trigger/api"]),
    ])
  func faults(_ trigger: String, _ expected: [String]) throws {
    let faults = try PlanText.faults(of: CampaignScene.triggered(trigger))
    #expect(
      faults.subtracting(["unknown_field /trigger/event"])
        == Set(expected).subtracting(["unknown_field /trigger/event"]))
  }

  @Test("re-entry belongs to streams")
  func reentry() throws {
    #expect(
      try PlanText.faults(
        of: CampaignScene.triggered(
          #"{"segment": "s", "at": "now"}"#,
          #""reentry": {"limit": 0, "per": {"calendar": "year"}}"#
        )) == [
          "invalid /reentry", "out_of_range /reentry/limit",
          "invalid_choice /reentry/per/calendar",
        ])
  }
}
