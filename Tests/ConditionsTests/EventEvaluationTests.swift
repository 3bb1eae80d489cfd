import Conditions
import Foundation
import JSON
import Testing

private let now = Date(timeIntervalSince1970: 1_795_140_000)  // 2026-11-20T02:00:00Z

/// Events as (name, seconds before now, properties).
private func holds(
  _ text: String, _ events: [(String, Double, JSONObject)], zone: String = "UTC"
) throws -> Bool {
  let person = PersonFacts(
    userID: "u", zone: try #require(TimeZone(identifier: zone)),
    events: events.map {
      .init(name: $0.0, time: now.addingTimeInterval(-$0.1), properties: $0.2)
    })
  let parsed = try condition(text)
  let truth = parsed.holds(for: person, at: now)
  #expect(parsed.evaluate(person, at: now).isTrue == truth)
  return truth
}

@Suite("Evaluating conditions: events")
struct EventEvaluationTests {
  @Test("a rolling window excludes its beginning and includes now, never the future")
  func rolling() throws {
    let text = #"{"event":"a","within":"1d"}"#
    #expect(try holds(text, [("a", 86_399.999, [:])]))
    #expect(try !holds(text, [("a", 86_400, [:])]))
    #expect(try holds(text, [("a", 0, [:])]))
    #expect(try !holds(text, [("a", -1, [:])]))
    #expect(try !holds(#"{"event":"a"}"#, [("a", -1, [:])]))
    #expect(try holds(#"{"event":"a"}"#, [("a", 1e9, [:])]))
    #expect(try !holds(#"{"event":"a"}"#, [("b", 1, [:])]))
  }

  @Test("a calendar window begins at the local midnight of its first day")
  func calendar() throws {
    // 02:00 UTC is 10:00 in Shanghai and 21:00 of the day before in New York.
    let today = #"{"event":"a","within":{"last":{"days":1,"zone":"user"}}}"#
    #expect(try holds(today, [("a", 7200, [:])]))
    #expect(try !holds(today, [("a", 7201, [:])]))
    #expect(try holds(today, [("a", 36_000, [:])], zone: "Asia/Shanghai"))
    #expect(try !holds(today, [("a", 36_001, [:])], zone: "Asia/Shanghai"))
    #expect(try holds(today, [("a", 75_600, [:])], zone: "America/New_York"))
    let named = #"{"event":"a","within":{"last":{"days":2,"zone":"Asia/Shanghai"}}}"#
    #expect(try holds(named, [("a", 36_000 + 86_400, [:])]))
    #expect(try !holds(named, [("a", 36_001 + 86_400, [:])]))
  }

  @Test("counts, with none as 0, and filters")
  func counts() throws {
    let events: [(String, Double, JSONObject)] = [
      ("a", 1, ["n": .int(1)]), ("a", 2, ["n": .int(2)]), ("a", 3, ["n": "2"]), ("a", 4, [:]),
    ]
    #expect(try holds(#"{"event":"a","count":{"eq":4}}"#, events))
    #expect(try holds(#"{"event":"a","count":{"between":[2,4],"ne":3}}"#, events))
    #expect(try holds(#"{"event":"b","count":{"lte":0}}"#, events))
    #expect(try holds(#"{"event":"b","count":{"eq":0}}"#, []))
    #expect(
      try holds(#"{"event":"a","count":{"eq":1},"where":[{"property":"n","gte":2}]}"#, events))
    #expect(
      try holds(#"{"event":"a","count":{"eq":3},"where":[{"property":"n","ne":2}]}"#, events))
    #expect(
      try !holds(
        #"{"event":"a","where":[{"property":"n","gte":2},{"property":"n","lt":2}]}"#, events))
  }

  @Test("sums are exact, skip what is no number, and are 0 of nothing")
  func sums() throws {
    func number(_ text: String) throws -> JSONValue { .number(try #require(JSONNumber(text))) }
    let tenths =
      try [
        ("a", 1.0, ["x": number("0.1")]), ("a", 2.0, ["x": number("0.2")]),
        ("a", 3, ["x": "9"]), ("a", 4, [:]),
      ] as [(String, Double, JSONObject)]
    #expect(try holds(#"{"event":"a","sum":"x","eq":0.3}"#, tenths))
    #expect(try holds(#"{"event":"b","sum":"x","lte":0}"#, tenths))
    let huge =
      try [
        ("a", 1.0, ["x": number("1e300")]), ("a", 2.0, ["x": number("1e-300")]),
        ("a", 3.0, ["x": number("-1e300")]),
      ] as [(String, Double, JSONObject)]
    #expect(try holds(#"{"event":"a","sum":"x","eq":1e-300}"#, huge))
  }
}

@Suite("Evaluating conditions: sequences")
struct SequenceEvaluationTests {
  static let abandoned =
    #"{"sequence":[{"event":"cart"},{"event":"paid","within":"2h","same":"id"}],"absent":"last"}"#
  static let bought = #"{"sequence":[{"event":"cart"},{"event":"paid","within":"2h","same":"id"}]}"#

  @Test("order, time limit and the shared property decide")
  func order() throws {
    let one: JSONObject = ["id": "1"]
    #expect(try holds(Self.bought, [("cart", 100, one), ("paid", 50, one)]))
    #expect(try !holds(Self.bought, [("cart", 50, one), ("paid", 100, one)]))
    #expect(try !holds(Self.bought, [("cart", 50, one), ("paid", 50, one)]))
    #expect(try !holds(Self.bought, [("cart", 100, one), ("paid", 50, ["id": "2"])]))
    #expect(try !holds(Self.bought, [("cart", 100, [:]), ("paid", 50, [:])]))
    #expect(try !holds(Self.bought, [("cart", 100, ["id": .null]), ("paid", 50, ["id": .null])]))
    #expect(try holds(Self.bought, [("cart", 7300, one), ("paid", 100, one)]))
    #expect(try !holds(Self.bought, [("cart", 7301, one), ("paid", 100, one)]))
  }

  @Test("the last is absent once its time is over")
  func absence() throws {
    let one: JSONObject = ["id": .int(1)]
    #expect(try !holds(Self.abandoned, [("cart", 7199, one)]))
    #expect(try holds(Self.abandoned, [("cart", 7200, one)]))
    #expect(try !holds(Self.abandoned, [("cart", 7200, one), ("paid", 0, one)]))
    #expect(try holds(Self.abandoned, [("cart", 7201, one), ("paid", 0, one)]))
    #expect(try holds(Self.abandoned, [("cart", 8000, one), ("paid", 7000, ["id": .int(2)])]))
    // One cart paid, the other not.
    #expect(
      try holds(
        Self.abandoned, [("cart", 9000, one), ("paid", 8000, one), ("cart", 8500, ["id": "x"])]))
    let ever = #"{"sequence":[{"event":"cart"},{"event":"paid"}],"absent":"last"}"#
    #expect(try holds(ever, [("cart", 1, [:])]))
    #expect(try !holds(ever, [("paid", 1, [:])]))
    #expect(try !holds(ever, [("cart", 2, [:]), ("paid", 1, [:])]))
  }

  @Test("three steps: an early dead end does not hide a later way")
  func three() throws {
    let text =
      #"{"sequence":[{"event":"a","within":"1h"},{"event":"b","within":"10s"},{"event":"c","within":"10s","where":[{"property":"n","gt":1}]}]}"#
    let c: JSONObject = ["n": .int(2)]
    #expect(try holds(text, [("a", 100, [:]), ("a", 95, [:]), ("b", 88, [:]), ("c", 80, c)]))
    #expect(try !holds(text, [("a", 100, [:]), ("b", 88, [:]), ("c", 80, c)]))
    #expect(try !holds(text, [("a", 100, [:]), ("b", 95, [:]), ("c", 90, ["n": .int(1)])]))
    #expect(try !holds(text, [("a", 3600, [:]), ("b", 3595, [:]), ("c", 3590, c)]))
  }
}
