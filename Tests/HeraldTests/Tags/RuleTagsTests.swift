import Conditions
import Foundation
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Rule tags", .segmentDatabase)
struct RuleTagsTests {
  let now = SegmentFixture.now

  private func holders(_ tag: String) async throws -> [UUID: String] {
    try await SegmentFixture.db.read { db in
      var holders: [UUID: String] = [:]
      for row in try db.query("SELECT user_id, source FROM user_tags WHERE tag = \(tag)") {
        holders[try row.get("user_id")] = try row.get("source", as: String.self)
      }
      return holders
    }
  }

  @Test("A refresh sets and takes away what the rule says, and leaves tags set by hand alone")
  func refresh() async throws {
    let people = try await SegmentFixture.people([
      ["age": 20], ["age": 10], ["age": 30], ["age": 5],
    ])
    try await SegmentFixture.tag("grown", rule: ["attribute": "age", "gte": 18])
    _ = try await SegmentFixture.db.write { tx in
      try tx.execute(
        """
        INSERT INTO user_tags (user_id, tag, source, created_at, updated_at)
        VALUES (\(people[0]), 'grown', 'manual', \(now), \(now)),
          (\(people[1]), 'grown', 'manual', \(now), \(now)),
          (\(people[3]), 'grown', 'rule', \(now), \(now))
        """)
    }
    let outcomes = try await RuleTags.refresh(SegmentFixture.db, now: now)
    #expect(outcomes.map(\.tag) == ["grown"])
    #expect(outcomes.map(\.set) as [Int] == [1])
    #expect(outcomes.map(\.removed) as [Int] == [1])
    #expect(
      try await holders("grown") == [
        people[0]: "manual", people[1]: "manual", people[2]: "rule",
      ])
    let again = try await RuleTags.refresh(SegmentFixture.db, now: now)
    #expect(again.map { $0.set + $0.removed } as [Int] == [0])
  }

  @Test("Rules that name other rule tags are evaluated after them")
  func order() async throws {
    let people = try await SegmentFixture.people([["age": 20]])
    try await SegmentFixture.tag("a_target", rule: ["tag": "z_source"])
    try await SegmentFixture.tag("z_source", rule: ["attribute": "age", "gte": 18])
    _ = try await RuleTags.refresh(SegmentFixture.db, now: now)
    #expect(try await holders("a_target") == [people[0]: "rule"])
  }
}
