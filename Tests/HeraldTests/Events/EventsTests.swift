import Foundation
import HTTP
import JSON
import Postgres
import Synchronization
import Testing

@testable import Herald

@Suite("Events")
struct EventsTests {
  private func event(_ name: String, _ more: JSONObject = [:]) -> JSONValue {
    var event: JSONObject = ["user": ["external_id": "u-77"], "name": .string(name)]
    for (key, value) in more { event[key] = value }
    return .object(event)
  }

  private func post(_ api: PeopleAPI, _ events: [JSONValue]) async throws -> PeopleAPI.Answer {
    try await api.call(
      .post, "/v1/events", ["events": .array(events)], as: PeopleAPI.caller(.ingest))
  }

  @Test("are stored with the user they make, and once however often they come")
  func once() async throws {
    try await PeopleAPI.with { api in
      let body: JSONValue = [
        "events": [
          [
            "message_id": "m-1", "user": ["external_id": "u-77"], "name": "order_paid",
            "timestamp": "2026-10-20T10:00:00+08:00",
            "properties": ["order_id": "o-9", "amount": .double(128.5)],
          ]
        ]
      ]
      let first = try await api.call(.post, "/v1/events", body)
      #expect(first.status == 200)
      #expect(first.json == ["accepted": 1, "duplicates": 0, "rejected": []])
      let second = try await api.call(.post, "/v1/events", body)
      #expect(second.json == ["accepted": 0, "duplicates": 1, "rejected": []])
      #expect(try await api.count("SELECT count(*) FROM events") == 1)
      let timeline = try await api.call(.get, "/v1/users/external_id:u-77/timeline")
      let entry = try #require(timeline.json["data"]?.arrayValue?.first)
      #expect(entry["at"] == "2026-10-20T02:00:00.000Z")
      #expect(entry["data"]?["properties"] == ["order_id": "o-9", "amount": .double(128.5)])
    }
  }

  @Test("with a fault are rejected at their place; their neighbours are stored")
  func rejected() async throws {
    try await PeopleAPI.with { api in
      let answer = try await post(
        api,
        [
          event("ok"), event(""), "no event", event("x", ["timestamp": "yesterday"]),
          event("x", ["timestamp": "1969-12-31T23:59:59Z"]),
          event("x", ["timestamp": .instant(PeopleAPI.now.addingTimeInterval(90_000))]),
          event("x", ["properties": []]), event("x", ["extra": 1]),
          ["name": "x"], ["name": "x", "user": [:]], ["name": "x", "user": ["phone": "12"]],
          ["name": "x", "user": .string(UUID().text)], event("ok"),
        ])
      #expect(answer.status == 200)
      #expect(answer.json["accepted"] == 2)
      let rejected = try #require(answer.json["rejected"]?.arrayValue)
      #expect(rejected.map { $0["index"]?.intValue } == Array(1...11))
      #expect(
        rejected.compactMap { $0["pointer"]?.stringValue } == [
          "/events/1/name", "/events/2", "/events/3/timestamp", "/events/4/timestamp",
          "/events/5/timestamp", "/events/6/properties", "/events/7/extra", "/events/8/user",
          "/events/9/user", "/events/10/user/phone", "/events/11/user",
        ])
      #expect(answer.json["not_deduplicated"] == 2)
      #expect(try await api.count("SELECT count(*) FROM events") == 2)
    }
  }

  @Test(
    "need a JSON body with an array of them",
    arguments: [
      ("{", 400), ("[]", 422), ("{}", 422), (#"{"events":{}}"#, 422),
      (#"{"events":[],"x":1}"#, 422),
      (#"{"events":[{"name":"a","name":"b"}]}"#, 200), (#"{"events":[]} x"#, 400),
      (#"{"events":[]}"#, 200),
    ])
  func bodies(text: String, status: Int) async throws {
    try await PeopleAPI.with { api in
      let answer = try await api.call(.post, "/v1/events", bytes: Array(text.utf8))
      #expect(answer.status == status)
    }
  }

  @Test("a rejected message may come again, mended")
  func mended() async throws {
    try await PeopleAPI.with { api in
      let unknown = UUID()
      let broken: JSONValue = ["message_id": "m", "user": .string(unknown.text), "name": "a"]
      let refused = try await post(api, [broken])
      #expect(refused.json["accepted"] == 0)
      #expect(try await post(api, [event("a", ["message_id": "m"])]).json["accepted"] == 1)
    }
  }

  @Test("without message_id are known again by their content when the client gave the time")
  func contentKey() async throws {
    try await PeopleAPI.with { api in
      let at: JSONObject = ["timestamp": "2026-10-20T10:00:00Z", "properties": ["n": 1]]
      let other: JSONObject = ["timestamp": "2026-10-20T10:00:00Z", "properties": ["n": 2]]
      let answer = try await post(
        api, [event("a", at), event("a", at), event("a", other), event("b", at)])
      #expect(answer.json == ["accepted": 3, "duplicates": 1, "rejected": []])
      let timeless = try await post(api, [event("a"), event("a")])
      #expect(timeless.json["accepted"] == 2)
    }
  }

  @Test("sent by many at once, crossing and repeating, are each stored once")
  func concurrency() async throws {
    try await PeopleAPI.with { api in
      let messages = (0..<300).map { n -> JSONValue in
        [
          "message_id": .string("m\(n)"), "user": ["external_id": .string("u\(n % 40)")],
          "name": "n",
        ]
      }
      let accepted = try await withThrowingTaskGroup(of: Int.self) { group in
        for n in 0..<12 {
          group.addTask {
            let order = n % 2 == 0 ? messages : messages.reversed()
            return try await api.call(.post, "/v1/events", ["events": .array(order)])
              .json["accepted"]?.intValue ?? -1
          }
        }
        return try await group.reduce(0, +)
      }
      #expect(accepted == 300)
      #expect(try await api.count("SELECT count(*) FROM events") == 300)
      #expect(try await api.count("SELECT count(*) FROM users") == 40)
      #expect(api.writer.pendingBytes == 0)
    }
  }

  @Test("share transactions when many requests come at once")
  func groups() async throws {
    try await PeopleAPI.with { api in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for n in 0..<100 {
          group.addTask { [event = event("a", ["message_id": .string("m\(n)")])] in
            let answer = try await api.call(.post, "/v1/events", ["events": [event]])
            #expect(answer.json["accepted"] == 1)
          }
        }
        try await group.waitForAll()
      }
      let transactions = try await api.count("SELECT count(DISTINCT xmin::text) FROM events")
      #expect(transactions < 100)
      #expect(try await api.count("SELECT count(*) FROM events") == 100)
    }
  }

  @Test("of a huge request are stored in parts, between which others have their turn")
  func parts() async throws {
    var limits = EventWriter.Limits()
    limits.batch = 10
    try await PeopleAPI.with(limits: limits) { api in
      let many = (0..<25).map { event("a", ["message_id": .string("m\($0 % 20)")]) }
      let answer = try await post(api, many)
      #expect(answer.json == ["accepted": 20, "duplicates": 5, "rejected": []])
      #expect(try await api.count("SELECT count(DISTINCT xmin::text) FROM events") == 2)
      let again = try await post(api, many)
      #expect(again.json == ["accepted": 0, "duplicates": 25, "rejected": []])
      let mark = IdempotencyMark(
        scope: [1, 2, 3, 4, 5, 6, 7, 9], fingerprint: [1], now: PeopleAPI.now)
      let whole = (0..<25).map { event("b", ["message_id": .string("n\($0)")]) }
      _ = try await IdempotencyMark.$current.withValue(mark) { try await post(api, whole) }
      let transactions = try await api.count(
        "SELECT count(DISTINCT xmin::text) FROM events WHERE name = 'b'")
      #expect(transactions == 1)
    }
  }

  @Test("that PostgreSQL refuses are rejected by themselves")
  func bisects() async throws {
    try await PeopleAPI.with { api in
      _ = try await api.db.write { tx in
        try tx.execute("ALTER TABLE events ADD CONSTRAINT no_bad CHECK (name <> 'bad')")
      }
      let names = (0..<20).map { $0 == 7 || $0 == 13 ? "bad" : "good" }
      let answer = try await post(
        api, names.enumerated().map { event($1, ["message_id": .string("\($0)")]) })
      #expect(answer.json["accepted"] == 18)
      #expect(answer.json["rejected"]?.arrayValue?.compactMap { $0["index"]?.intValue } == [7, 13])
      #expect(try await api.count("SELECT count(*) FROM events") == 18)
      #expect(try await api.count("SELECT count(*) FROM event_keys") == 18)
    }
  }

  @Test("are refused with 503 and Retry-After when too much is waiting")
  func overload() async throws {
    let gate = GateObserver()
    var limits = EventWriter.Limits()
    limits.bytes = 300
    limits.writers = 1
    try await PeopleAPI.with(observers: [gate], limits: limits) { api in
      async let slow = post(
        api, [event("slow", ["properties": ["pad": .string(String(repeating: "x", count: 250))]])])
      await gate.entered()
      let refused = try await post(api, [event("more")])
      #expect(refused.status == 503)
      #expect(refused.headers["retry-after"] == "1")
      gate.open()
      #expect(try await slow.json["accepted"] == 1)
      #expect(try await post(api, [event("later")]).json["accepted"] == 1)
    }
  }

  @Test("under an Idempotency-Key happen once even without a message_id")
  func idempotent() async throws {
    try await PeopleAPI.with { api in
      let mark = IdempotencyMark(
        scope: [1, 2, 3, 4, 5, 6, 7, 8], fingerprint: [1], now: PeopleAPI.now)
      let first = try await IdempotencyMark.$current.withValue(mark) {
        try await post(api, [event("a")])
      }
      #expect(first.json["accepted"] == 1)
      let again = IdempotencyMark(
        scope: [1, 2, 3, 4, 5, 6, 7, 8], fingerprint: [1], now: PeopleAPI.now)
      let second = try await IdempotencyMark.$current.withValue(again) {
        try await post(api, [event("a")])
      }
      #expect(second.status == 409)
      #expect(try await api.count("SELECT count(*) FROM events") == 1)
    }
  }

  @Test("widen when their user was first and last seen")
  func seen() async throws {
    try await PeopleAPI.with { api in
      let times = [-100.0, -5000, -3000].map { PeopleAPI.now.addingTimeInterval($0) }
      for time in times {
        try await post(api, [event("a", ["timestamp": .instant(time)])]).discard()
      }
      let row = try await api.db.read { try $0.one("SELECT first_seen, last_seen FROM users") }
      #expect(try row?.get("first_seen", as: Date.self) == times[1])
      #expect(try row?.get("last_seen", as: Date.self) == times[0])
    }
  }
}

/// Holds the first batch in its transaction until it is opened.
private final class GateObserver: EventObserver {
  private let isOpen = Mutex(false)
  private let isEntered = Mutex(false)

  func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws {
    isEntered.withLock { $0 = true }
    while !isOpen.withLock({ $0 }) { try tx.execute("SELECT pg_sleep(0.005)") }
  }

  func open() { isOpen.withLock { $0 = true } }

  func entered() async {
    while !isEntered.withLock({ $0 }) { await Task.yield() }
  }
}
