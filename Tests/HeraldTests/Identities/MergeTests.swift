import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Merges")
struct MergeTests {
  private func events(_ api: PeopleAPI, _ user: JSONValue, _ names: String...) async throws {
    let answer = try await api.call(
      .post, "/v1/events",
      [
        "events": .array(
          names.enumerated().map {
            ["user": user, "name": .string($1), "message_id": .string("\($1)-\($0)")]
          })
      ], as: PeopleAPI.caller(.ingest))
    #expect(answer.json["accepted"]?.intValue == names.count)
  }

  private func user(_ api: PeopleAPI, _ ref: String) async throws -> JSONValue {
    let answer = try await api.call(.get, "/v1/users/\(ref)")
    #expect(answer.status == 200)
    return answer.json
  }

  @Test("an anonymous visitor who logs in is the known user, with all they did")
  func login() async throws {
    try await PeopleAPI.with { api in
      let known = try await api.user("u-1")
      try await events(api, ["anonymous_id": "a-1"], "viewed", "searched")
      let visitor = try await user(api, "anonymous_id:a-1")["id"]?.stringValue ?? ""
      try await events(api, ["anonymous_id": "a-1", "external_id": "u-1"], "logged_in")
      for ref in ["anonymous_id:a-1", "external_id:u-1", visitor, known] {
        #expect(try await user(api, ref)["id"]?.stringValue == known)
      }
      let timeline = try await api.call(.get, "/v1/users/\(visitor)/timeline")
      let names = timeline.json["data"]?.arrayValue?.compactMap { $0["data"]?["name"]?.stringValue }
      #expect(Set(names ?? []) == ["viewed", "searched", "logged_in"])
      #expect(try await api.count("SELECT count(*) FROM users") == 1)
      let merges = try await api.call(.get, "/v1/merges?user=\(visitor)")
      let merge = try #require(merges.json["data"]?.arrayValue?.first)
      #expect(merge["survivor"]?.stringValue == known && merge["merged"]?.stringValue == visitor)
      #expect(merge["reason"] == "identity" && merge["moved_events"] == 2)
    }
  }

  @Test("attributes merge by their rules, consents by the latest denial, tags by the newest")
  func rules() async throws {
    try await PeopleAPI.with { api in
      for (key, rule) in [
        ("level", "max"), ("points", "sum"), ("benefits", "union"), ("source", "oldest"),
      ] {
        let answer = try await api.call(.put, "/v1/attributes/\(key)", ["merge": .string(rule)])
        #expect(answer.status == 201)
      }
      let later = PeopleAPI.now.addingTimeInterval(60)
      try await api.user(
        "u-1",
        [
          "attributes": [
            "level": 3, "points": 10, "benefits": ["a", "b"], "source": "shop", "city": "杭州",
          ], "tags": ["tier": "gold", "vip": true],
          "consents": ["sms": "granted", "push": "granted"],
        ])
      _ = try await api.call(
        .post, "/v1/users",
        [
          "identities": ["phone": "+8613800138000"],
          "attributes": [
            "level": 2, "points": .double(2.5), "benefits": ["b", "c"], "source": "app",
            "city": "上海", "age": 41,
          ], "tags": ["tier": "silver"], "consents": ["sms": "denied", "email": "granted"],
        ], now: later)
      let merged = try await api.call(
        .post, "/v1/users/external_id:u-1/merge", ["from": "phone:+8613800138000"],
        now: later.addingTimeInterval(60))
      #expect(merged.status == 200)
      let person = try await user(api, "phone:+8613800138000")
      #expect(
        person["attributes"] == [
          "level": 3, "points": .double(12.5), "benefits": ["a", "b", "c"], "source": "shop",
          "city": "上海", "age": 41,
        ])
      #expect(person["tags"] == ["tier": "silver", "vip": true])
      #expect(person["consents"] == ["sms": "denied", "push": "granted", "email": "granted"])
      #expect(person["identities"] == ["external_id": "u-1", "phone": "+8613800138000"])
    }
  }

  @Test("the same two are not merged twice, nor somebody unknown")
  func refused() async throws {
    try await PeopleAPI.with { api in
      try await api.user("u-1")
      try await api.user("u-2")
      let body: JSONValue = ["from": "external_id:u-2"]
      #expect(try await api.call(.post, "/v1/users/external_id:u-1/merge", body).status == 200)
      #expect(try await api.call(.post, "/v1/users/external_id:u-1/merge", body).status == 409)
      let unknown = try await api.call(
        .post, "/v1/users/external_id:u-1/merge", ["from": "external_id:u-3"])
      #expect(unknown.status == 404)
    }
  }

  @Test("a chain of merges leads from every old id to the one who stands for all")
  func chain() async throws {
    try await PeopleAPI.with { api in
      var ids: [String] = []
      for value in ["a", "b", "c", "d"] {
        _ = try await api.call(
          .post, "/v1/events",
          ["events": [["user": ["anonymous_id": .string(value)], "name": "viewed"]]])
        ids.append(try await user(api, "anonymous_id:\(value)")["id"]?.stringValue ?? "")
      }
      for other in ["b", "c", "d"] {
        _ = try await api.call(
          .post, "/v1/users/anonymous_id:\(other)/merge", ["from": "anonymous_id:a"])
      }
      let root = try await user(api, "anonymous_id:a")["id"]?.stringValue ?? ""
      for id in ids { #expect(try await user(api, id)["id"]?.stringValue == root) }
      #expect(
        try await api.count(
          "SELECT count(*) FROM user_aliases a JOIN user_aliases b ON b.alias_id = a.user_id") == 0)
      #expect(try await api.count("SELECT count(DISTINCT user_id) FROM events") == 1)
    }
  }

  @Test("inherited events are nobody's trigger")
  func silent() async throws {
    let seen = SeenEvents()
    try await PeopleAPI.with(observers: [seen]) { api in
      try await api.user("u-1")
      try await events(api, ["anonymous_id": "a-1"], "viewed", "searched")
      try await events(api, ["anonymous_id": "a-1", "external_id": "u-1"], "logged_in")
      #expect(seen.names == ["viewed", "searched", "logged_in"])
    }
  }

  @Test("a large history follows step by step, and is read under both ids meanwhile")
  func large() async throws {
    try await PeopleAPI.with { api in
      let known = try await api.user("u-1")
      try await events(api, ["anonymous_id": "a-1"], "viewed")
      let visitor = try await user(api, "anonymous_id:a-1")["id"]?.stringValue ?? ""
      let id = try #require(UUID(uuidString: visitor))
      _ = try await api.db.write { tx in
        try tx.execute(
          """
          INSERT INTO events (user_id, name, ts, id, source, received_at)
          SELECT \(id), 'clicked', \(PeopleAPI.now)::timestamptz - make_interval(secs => n),
            gen_random_uuid(), 'api', \(PeopleAPI.now) FROM generate_series(1, 2500) AS n
          """)
      }
      try await events(api, ["anonymous_id": "a-1", "external_id": "u-1"], "logged_in")
      let merges = try await api.call(.get, "/v1/merges?state=moving")
      #expect(merges.json["data"]?.arrayValue?.count == 1)
      let preview: JSONValue = ["event": "clicked", "count": ["gte": 2500]]
      func isMember() async throws -> Bool {
        let condition = try Condition.stored(preview)
        let user = try #require(UUID(uuidString: known))
        return try await api.db.read { db in
          let predicate = try SegmentCompiler.predicate(
            condition, closure: .empty, now: PeopleAPI.now, projectZone: "UTC",
            moving: EventHistory.isMoving(in: db))
          return try db.one("SELECT FROM users u WHERE id = \(user) AND \(predicate)") != nil
        }
      }
      #expect(try await isMember())
      let mover = HistoryMover(db: api.db, logger: PeopleAPI.logger)
      var steps = 0
      while try await mover.step() {
        steps += 1
        #expect(try await isMember())
      }
      #expect(steps == 3)
      let survivor = try #require(UUID(uuidString: known))
      #expect(
        try await api.count("SELECT count(*) FROM events WHERE user_id = \(survivor)") == 2502)
      let moved = try await api.call(.get, "/v1/merges?state=merged")
      #expect(moved.json["data"]?.arrayValue?.first?["moved_events"] == 2501)
    }
  }
}
