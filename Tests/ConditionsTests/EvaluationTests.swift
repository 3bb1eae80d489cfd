import Conditions
import Foundation
import JSON
import Testing

private let now = Date(timeIntervalSince1970: 1_795_140_000)  // 2026-11-20T02:00:00Z

private func person(
  attributes: JSONObject = [:], zone: String = "UTC",
  events: [(String, Date, JSONObject)] = []
) throws -> PersonFacts {
  PersonFacts(
    userID: "u-77", zone: try #require(TimeZone(identifier: zone)), attributes: attributes,
    events: events.map { .init(name: $0.0, time: $0.1, properties: $0.2) })
}

private func ago(_ seconds: Double) -> Date { now.addingTimeInterval(-seconds) }

@Suite("Evaluating conditions: values")
struct ValueEvaluationTests {
  static let values: JSONObject = [
    "n": .int(5), "d": .number(JSONNumber("5.00") ?? JSONNumber(0)), "s": "beta", "t": true,
    "list": [.int(1), "x"], "nothing": .null, "e": "é",
    "big": .number(JSONNumber("9007199254740993") ?? JSONNumber(0)),
  ]

  @Test(
    "operators",
    arguments: [
      (#"{"attribute":"n","eq":5.0}"#, true), (#"{"attribute":"d","eq":5}"#, true),
      (#"{"attribute":"n","eq":"5"}"#, false), (#"{"attribute":"n","ne":"5"}"#, true),
      (#"{"attribute":"n","ne":5}"#, false), (#"{"attribute":"n","in":["5",5]}"#, true),
      (#"{"attribute":"n","in":["5"]}"#, false), (#"{"attribute":"n","not_in":["5"]}"#, true),
      (#"{"attribute":"n","not_in":[5]}"#, false),
      (#"{"attribute":"n","gt":5}"#, false), (#"{"attribute":"n","gte":5}"#, true),
      (#"{"attribute":"n","lt":5.01}"#, true), (#"{"attribute":"n","lte":4}"#, false),
      (#"{"attribute":"n","gt":"1"}"#, false), (#"{"attribute":"s","gt":1}"#, false),
      (#"{"attribute":"n","between":[5,5]}"#, true), (#"{"attribute":"n","between":[6,7]}"#, false),
      (#"{"attribute":"s","between":["a","c"]}"#, true),
      (#"{"attribute":"s","gt":"Z"}"#, true), (#"{"attribute":"s","gt":"é"}"#, false),
      (#"{"attribute":"e","eq":"é"}"#, false), (#"{"attribute":"e","eq":"\u00e9"}"#, true),
      (#"{"attribute":"big","eq":9007199254740992}"#, false),
      (#"{"attribute":"big","gt":9007199254740992}"#, true),
      (#"{"attribute":"s","contains":"et"}"#, true), (#"{"attribute":"s","contains":"bx"}"#, false),
      (#"{"attribute":"s","contains":1}"#, false), (#"{"attribute":"list","contains":"x"}"#, true),
      (#"{"attribute":"list","contains":1.0}"#, true),
      (#"{"attribute":"list","contains":"1"}"#, false),
      (#"{"attribute":"n","contains":"5"}"#, false),
      (#"{"attribute":"s","starts_with":"be"}"#, true),
      (#"{"attribute":"s","starts_with":"eta"}"#, false),
      (#"{"attribute":"n","starts_with":"5"}"#, false),
      (#"{"attribute":"t","eq":true}"#, true), (#"{"attribute":"t","eq":1}"#, false),
      (#"{"attribute":"n","gte":1,"lt":5}"#, false), (#"{"attribute":"n","gte":1,"lt":6}"#, true),
    ])
  func operators(text: String, expected: Bool) throws {
    // The e of the pair that must differ is written decomposed here.
    let text = text.replacingOccurrences(of: #""eq":"é""#, with: "\"eq\":\"e\u{301}\"")
    let person = try person(attributes: Self.values)
    #expect(try condition(text).holds(for: person, at: now) == expected)
    #expect(try condition(text).evaluate(person, at: now).isTrue == expected)
  }

  @Test(
    "an absent or null value satisfies only exists false, ne and not_in",
    arguments: ["nothing", "zzz"])
  func absent(key: String) throws {
    let person = try person(attributes: Self.values)
    let operands = [
      "eq": "1", "ne": "1", "in": "[1]", "not_in": "[1]", "gt": "1", "gte": "1", "lt": "1",
      "lte": "1", "between": "[0,1]", "contains": "1", "starts_with": "\"a\"",
      "matches_day": "\"today\"", "before": "\"now\"", "after": "\"now\"", "exists": "false",
    ]
    #expect(operands.count == Comparison.Operator.allCases.count)
    for (name, operand) in operands {
      let parsed = try condition("{\"attribute\":\"\(key)\",\"\(name)\":\(operand)}")
      #expect(
        parsed.holds(for: person, at: now) == ["ne", "not_in", "exists"].contains(name), "\(name)")
    }
    #expect(
      try !condition(#"{"attribute":"\#(key)","exists":true}"#).holds(for: person, at: now))
    #expect(
      try condition(#"{"not":{"attribute":"\#(key)","eq":1}}"#).holds(for: person, at: now))
  }

  @Test("tags: bare, value, expiry, and a tag without value")
  func tags() throws {
    var person = try person()
    person.tags = [
      "vip": .init(), "tier": .init(value: "gold", expiresAt: now.addingTimeInterval(1)),
      "old": .init(value: "x", expiresAt: now), "empty": .init(value: .null),
    ]
    for (text, expected) in [
      (#"{"tag":"vip"}"#, true), (#"{"tag":"none"}"#, false), (#"{"tag":"vip","eq":true}"#, true),
      (#"{"tag":"tier","in":["gold"]}"#, true), (#"{"tag":"old"}"#, false),
      (#"{"tag":"old","eq":"x"}"#, false), (#"{"tag":"old","exists":false}"#, true),
      (#"{"tag":"empty"}"#, true), (#"{"tag":"empty","ne":"x"}"#, true),
      (#"{"tag":"empty","eq":"x"}"#, false),
    ] {
      #expect(try condition(text).holds(for: person, at: now) == expected, "\(text)")
    }
  }

  @Test("consent, reach, segments, plans, buckets and everybody")
  func others() throws {
    var person = try person()
    person.consents = ["sms": .granted, "email": .denied]
    person.reachable = ["sms"]
    person.segments = ["vip"]
    person.received = [("p", ago(100))]
    for (text, expected) in [
      (#"{"consent":"sms"}"#, true), (#"{"consent":"email","is":"denied"}"#, true),
      (#"{"consent":"push","is":"unknown"}"#, true), (#"{"consent":"push"}"#, false),
      (#"{"reachable":"sms"}"#, true), (#"{"reachable":"push"}"#, false),
      (#"{"segment":"vip"}"#, true), (#"{"segment":"x"}"#, false),
      (#"{"received":"p"}"#, true), (#"{"received":"p","within":"100s"}"#, false),
      (#"{"received":"p","within":"101s"}"#, true), (#"{"received":"q"}"#, false),
      (#"{"bucket":[0,9999]}"#, true), (#"{"all":[]}"#, true), (#"{"not":{"all":[]}}"#, false),
    ] {
      #expect(try condition(text).holds(for: person, at: now) == expected, "\(text)")
    }
    let halves = [#"{"bucket":[0,4999]}"#, #"{"bucket":[5000,9999]}"#]
    #expect(try halves.filter { try condition($0).holds(for: person, at: now) }.count == 1)
  }

  @Test("the explanation is the condition with truths, and values at its leaves")
  func explanation() throws {
    let person = try person(attributes: ["age": .int(41)], events: [("paid", ago(5), [:])])
    let parsed = try condition(
      #"{"all":[{"attribute":"age","gte":18},{"not":{"event":"paid"}},{"tag":"x"}]}"#)
    #expect(
      parsed.evaluate(person, at: now).json.text
        == #"{"all":[{"attribute":"age","gte":18,"true":true,"value":41},"#
        + #"{"not":{"event":"paid","count":{"gte":1},"true":true,"value":1},"true":false},"#
        + #"{"tag":"x","true":false,"value":null}],"true":false}"#)
  }
}

@Suite("Evaluating conditions: dates")
struct DateEvaluationTests {
  @Test(
    "matches_day",
    arguments: [
      // born, operand, now, zone, expected
      ("1984-11-20", #""today""#, "2026-11-20T02:00:00Z", "UTC", true),
      ("1984-11-19", #""today""#, "2026-11-20T02:00:00Z", "America/New_York", true),
      ("1984-02-29", #""today""#, "2027-03-01T12:00:00Z", "UTC", true),
      ("1984-02-29", #""today""#, "2027-02-28T12:00:00Z", "UTC", false),
      ("1984-02-29", #""today""#, "2028-03-01T12:00:00Z", "UTC", false),
      ("1984-02-29", #""today""#, "2028-02-29T12:00:00Z", "UTC", true),
      ("1984-03-01", #""02-29""#, "2027-06-01T00:00:00Z", "UTC", true),
      ("1984-03-01", #""02-29""#, "2028-06-01T00:00:00Z", "UTC", false),
      ("1984-02-29", #""2027-03-01""#, "2026-11-20T02:00:00Z", "UTC", true),
      ("1984-02-29", #""2028-03-01""#, "2026-11-20T02:00:00Z", "UTC", false),
      ("11-27", #"{"days_from_now":7}"#, "2026-11-20T02:00:00Z", "UTC", true),
      ("1984-11-19T20:00:00Z", #""11-20""#, "2026-11-20T02:00:00Z", "Asia/Shanghai", true),
      ("1984-02-30", #""03-01""#, "2027-11-20T02:00:00Z", "UTC", false),
      ("soon", #""today""#, "2026-11-20T02:00:00Z", "UTC", false),
    ])
  func matchesDay(born: String, operand: String, at: String, zone: String, expected: Bool) throws {
    let parsed = try condition("{\"attribute\":\"b\",\"matches_day\":\(operand)}")
    let person = try person(attributes: ["b": .string(born)], zone: zone)
    #expect(parsed.holds(for: person, at: try #require(Date(rfc3339: at))) == expected)
  }

  @Test(
    "before and after",
    arguments: [
      ("2026-11-20T01:59:59Z", "before", #""now""#, "UTC", true),
      ("2026-11-20T02:00:00Z", "before", #""now""#, "UTC", false),
      ("2026-11-20T10:00:00.001+08:00", "after", #""now""#, "UTC", true),
      ("2026-11-20", "after", #""2026-11-20""#, "UTC", false),
      ("2026-11-20", "before", #""2026-11-20T00:00:00Z""#, "Asia/Shanghai", true),
      ("2026-11-20", "before", #""2026-11-20T00:00:00Z""#, "UTC", false),
      ("2026-11-13T01:00:00Z", "before", #"{"ago":"7d"}"#, "UTC", true),
      ("2026-11-26", "before", #"{"ahead":"7d"}"#, "UTC", true),
      ("tomorrow", "after", #""2000-01-01""#, "UTC", false),
      ("infinity", "after", #""2000-01-01""#, "UTC", false),
    ])
  func moments(value: String, name: String, operand: String, zone: String, expected: Bool) throws {
    let parsed = try condition("{\"attribute\":\"m\",\"\(name)\":\(operand)}")
    let person = try person(attributes: ["m": .string(value)], zone: zone)
    #expect(parsed.holds(for: person, at: now) == expected)
  }

  @Test("a midnight that is skipped or doubled is read as PostgreSQL reads it")
  func midnights() throws {
    // Beirut skips 2026-03-29T00:00; Havana has 2026-11-01T00:00 twice.
    for (zone, day, expected) in [
      ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00.000Z"),
      ("America/Havana", "2026-11-01", "2026-11-01T05:00:00.000Z"),
      ("Asia/Shanghai", "2026-11-20", "2026-11-19T16:00:00.000Z"),
    ] {
      let person = try person(attributes: ["m": .string(day)], zone: zone)
      let same = #"{"attribute":"m","before":"\#(expected)"}"#
      #expect(try !condition(same).holds(for: person, at: now), "\(zone)")
      let later = expected.replacingOccurrences(of: ".000Z", with: ".001Z")
      #expect(
        try condition(#"{"attribute":"m","before":"\#(later)"}"#).holds(for: person, at: now))
    }
  }
}
