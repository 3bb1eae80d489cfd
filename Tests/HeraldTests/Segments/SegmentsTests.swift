import Conditions
import Foundation
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Segments", .segmentDatabase)
struct SegmentsTests {
  let segments = Segments(db: SegmentFixture.db)
  let now = SegmentFixture.now
  let caller = SegmentFixture.caller

  private func put(_ key: String, _ condition: JSONValue?) async throws -> StoredSegment {
    try await segments.put(
      SegmentFixture.segment(key, condition), expecting: nil, by: caller, now: now
    ).stored
  }

  private func preview(_ condition: JSONValue, by caller: Caller? = nil) async throws
    -> Segments.Preview
  {
    try await segments.preview(
      Condition.stored(condition), at: .root, by: caller ?? self.caller, now: now)
  }

  @Test("A put that changes nothing keeps the version; one that does raises it")
  func put() async throws {
    let first = try await put("grown", ["attribute": "age", "gte": 18])
    let same = try await put("grown", ["attribute": "age", "gte": 18])
    let changed = try await put("grown", ["attribute": "age", "gte": 21])
    #expect([first.version, same.version, changed.version] as [Int] == [1, 1, 2])
    await #expect(throws: HeraldError.self) {
      try await segments.put(
        SegmentFixture.segment("grown", ["all": []]), expecting: 1, by: caller, now: now)
    }
  }

  @Test("Unknown tags and segments are refused with their places")
  func unknown() async throws {
    try await SegmentFixture.tag("tier", type: "text")
    let error = await #expect(throws: HeraldError.self) {
      try await put(
        "a", ["all": [["tag": "nope"], ["not": ["segment": "gone"]], ["tag": "tier", "gt": 3]]])
    }
    #expect(
      error?.faults.map(\.pointer.description) == [
        "/condition/all/0/tag", "/condition/all/1/not/segment", "/condition/all/2/gt",
      ])
    #expect(error?.code == .invalid)
  }

  @Test("A cycle is refused at save and names its path")
  func cycle() async throws {
    _ = try await put("a", ["attribute": "x", "exists": true])
    _ = try await put("b", ["not": ["segment": "a"]])
    _ = try await put("c", ["any": [["segment": "b"], ["all": []]]])
    let error = await #expect(throws: HeraldError.self) {
      try await put("a", ["all": [["attribute": "x", "eq": 1], ["segment": "c"]]])
    }
    #expect(error?.code == .segmentCycle)
    #expect(error?.message.contains("a → c → b → a") ?? false)
    #expect(error?.pointer == "/condition/all/1/segment")
    let itself = await #expect(throws: HeraldError.self) { try await put("d", ["segment": "d"]) }
    #expect(itself?.code == .segmentCycle)
  }

  @Test("A deleted segment that others name is archived and goes on meaning what it did")
  func delete() async throws {
    let people = try await SegmentFixture.people([["age": 20], ["age": 10]])
    _ = try await put("grown", ["attribute": "age", "gte": 18])
    _ = try await put("young", ["not": ["segment": "grown"]])
    try await segments.delete("grown", by: caller, now: now)
    await #expect(throws: HeraldError.self) { try await segments.get("grown") }
    let young = try await segments.users(of: "young", PageRequest(), by: caller, now: now)
    #expect(young.items.map(\.id) == [people[1]])
    await #expect(throws: HeraldError.self) { try await put("new", ["segment": "grown"]) }
  }

  @Test("A closure holds what is named at any depth, and survives its JSON")
  func closure() async throws {
    _ = try await put("list", nil)
    _ = try await put("a", ["segment": "list"])
    _ = try await put("b", ["any": [["segment": "a"], ["attribute": "x", "eq": 1]]])
    let closure = try await SegmentFixture.db.read {
      try SegmentStore.closure(of: .not(.segment(key: "b")), in: $0)
    }
    #expect(Set(closure.conditions.keys) == ["a", "b"])
    #expect(closure.lists == ["list": 0])
    #expect(try SegmentClosure(json: closure.json) == closure)
  }

  @Test("A preview counts, says who is reachable on which channel, and shows a sample")
  func preview() async throws {
    let people = try await SegmentFixture.people([["age": 20], ["age": 30], ["age": 10]])
    _ = try await SegmentFixture.db.write { tx in
      try tx.execute(
        """
        INSERT INTO identities (kind, value, user_id, created_at)
        SELECT 'phone', '+86138' || row_number() OVER (), id, \(now) FROM unnest(\(people)) AS id
        """)
      try tx.execute(
        """
        INSERT INTO consents (user_id, channel, state, source, at)
        VALUES (\(people[0]), 'sms', 'granted', 'test', \(now)),
          (\(people[2]), 'sms', 'granted', 'test', \(now))
        """)
    }
    let crowd = try await preview(["attribute": "age", "gte": 18]).crowd
    #expect(crowd.count == 2)
    #expect(Set(crowd.sample) == Set(people[0...1]))
    let reachable = Dictionary(crowd.reachable.map { ($0.channel, $0.count) }) { first, _ in first }
    #expect(reachable["sms"] == 1)
    #expect(reachable["email"] == 0)
    #expect(reachable["coupon"] == 2)
    #expect(reachable.count == Condition.channels.count)
  }

  @Test("A caller with a user scope sees only users inside it")
  func scope() async throws {
    let people = try await SegmentFixture.people([
      ["age": 20, "store": "a"], ["age": 30, "store": "b"],
    ])
    let scoped = try SegmentFixture.scoped(["attribute": "store", "eq": "b"])
    _ = try await put("grown", ["attribute": "age", "gte": 18])
    _ = try await put("list", nil)
    #expect(try await preview(["all": []], by: scoped).crowd.sample == [people[1]])
    let users = try await segments.users(of: "grown", PageRequest(), by: scoped, now: now)
    #expect(users.items.map(\.id) == [people[1]])
    let insight = try await segments.insight(
      "grown", by: .attribute("store"), by: scoped, now: now)
    #expect(insight.total == 1)
    let outcome = try await segments.changeMembers(
      of: "list", change(add: ["external_id:u-0", "external_id:u-1"]), by: scoped, now: now)
    #expect(outcome.added == 1)
    #expect(outcome.unknown.map(\.pointer.description) == ["/add/0"])
  }

  @Test("Each change of a static list is one version, and older versions stay readable")
  func members() async throws {
    let people = try await SegmentFixture.people([[:], [:], [:]])
    _ = try await put("list", nil)
    let first = try await segments.changeMembers(
      of: "list", change(add: ["external_id:u-0", "external_id:u-1", "external_id:nobody"]),
      by: caller, now: now)
    #expect([first.version, first.added, first.removed] as [Int] == [1, 2, 0])
    #expect(first.unknown.map(\.pointer.description) == ["/add/2"])
    let second = try await segments.changeMembers(
      of: "list", change(add: ["external_id:u-1", people[2].text], remove: ["external_id:u-0"]),
      by: caller, now: now)
    #expect([second.version, second.added, second.removed] as [Int] == [2, 1, 1])
    let idle = try await segments.changeMembers(
      of: "list", change(add: ["external_id:u-1"]), by: caller, now: now)
    #expect(idle.version == 2)
    for (version, expected) in [(1, [0, 1]), (2, [1, 2])] {
      let members = try await SegmentFixture.db.read { db in
        let predicate = try SegmentCompiler.predicate(
          .segment(key: "list"), closure: SegmentClosure(conditions: [:], lists: ["list": version]),
          now: now, projectZone: "UTC")
        return try db.query("SELECT u.id FROM users AS u WHERE \(predicate)").map {
          try $0.get("id", as: UUID.self)
        }
      }
      #expect(Set(members) == Set(expected.map { people[$0] }))
    }
    #expect(try await segments.get("list").size == 2)
  }

  @Test("The members are paged in the order in which they came to be")
  func paging() async throws {
    let people = try await SegmentFixture.people(Array(repeating: ["a": 1], count: 5))
    _ = try await put("all", ["attribute": "a", "exists": true])
    var seen: [UUID] = []
    var page = PageRequest(limit: 2)
    while true {
      let users = try await segments.users(of: "all", page, by: caller, now: now)
      seen += users.items.map(\.id)
      guard let next = users.next else { break }
      page = PageRequest(limit: 2, after: next)
    }
    #expect(seen == people)
  }

  @Test("Insight counts the members by a tag's or attribute's value, the absent ones too")
  func insight() async throws {
    let people = try await SegmentFixture.people([
      ["city": "杭州"], ["city": "杭州"], ["city": "上海"], ["city": .null], [:],
    ])
    try await SegmentFixture.tag("tier", type: "text")
    _ = try await SegmentFixture.db.write { tx in
      try tx.execute(
        """
        INSERT INTO user_tags (user_id, tag, value, source, created_at, updated_at, expires_at)
        VALUES (\(people[0]), 'tier', '"gold"', 'api', \(now), \(now), NULL),
          (\(people[1]), 'tier', '"gold"', 'api', \(now), \(now), \(now))
        """)
    }
    _ = try await put("all", ["all": []])
    let city = try await segments.insight("all", by: .attribute("city"), by: caller, now: now)
    #expect(city.total == 5)
    #expect(city.values.contains { $0.value == "杭州" && $0.count == 2 })
    #expect(city.values.contains { $0.value == nil && $0.count == 2 })
    let tier = try await segments.insight("all", by: .tag("tier"), by: caller, now: now)
    #expect(tier.values.contains { $0.value == "gold" && $0.count == 1 })
    #expect(tier.values.contains { $0.value == nil && $0.count == 4 })
  }

  @Test("Explain says of every node whether it is true, and what was seen")
  func explain() async throws {
    let people = try await SegmentFixture.people([["age": 20]])
    _ = try await put("grown", ["attribute": "age", "gte": 18])
    _ = try await put("old", ["all": [["segment": "grown"], ["attribute": "age", "gte": 60]]])
    let told = try await segments.explain(user: people[0], segment: "old", now: now)
    #expect(told["member"] == false)
    #expect(
      told["condition"] == [
        "all": [
          ["segment": "grown", "true": true, "value": true],
          ["attribute": "age", "gte": 60, "true": false, "value": 20],
        ], "true": false,
      ])
  }

  @Test("A refresh counts the members and says when")
  func refresh() async throws {
    _ = try await SegmentFixture.people([["age": 20], ["age": 10]])
    _ = try await put("grown", ["attribute": "age", "gte": 18])
    let stored = try await segments.refresh("grown", by: caller, now: now)
    #expect(stored.size == 1)
    #expect(stored.refreshedAt == now)
    #expect(try await put("grown", ["attribute": "age", "gte": 30]).size == nil)
  }

  @Test("A condition that takes too long is refused with advice")
  func expensive() async throws {
    let hasty = Segments(db: SegmentFixture.db, patience: .milliseconds(200))
    _ = try await SegmentFixture.people(Array(repeating: ["a": 1], count: 3))
    _ = try await SegmentFixture.db.write { tx in
      // Makes every evaluation of a bucket slow.
      try tx.execute(
        script: """
          CREATE OR REPLACE FUNCTION herald_bucket(salt text, unit text) RETURNS integer
          LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(5)'
          """)
    }
    let error = await #expect(throws: HeraldError.self) {
      try await hasty.preview(
        .bucket(BucketCondition(range: 0...1)), at: .root, by: caller, now: now)
    }
    #expect(error?.code == .segmentTooExpensive)
    #expect(error?.code.status == 422)
  }

  private func change(add: [String], remove: [String] = []) throws -> SegmentMemberChange {
    let faults = Faults()
    let json: JSONValue = [
      "add": .array(add.map(JSONValue.string)), "remove": .array(remove.map(JSONValue.string)),
    ]
    let reader = try #require(ObjectReader(json, faults: faults))
    return try #require(SegmentMemberChange(reader, faults))
  }
}
