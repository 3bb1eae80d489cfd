import Conditions
import Foundation
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

/// Nothing a person writes into a condition becomes text of a statement.
@Suite("Conditions and SQL injection", .segmentDatabase)
struct SegmentInjectionTests {
  static let payloads = [
    "'", "''", "\"", "\\", "\\'", ";", "--", "/*", "*/", "$1", "$$", "$a$", "%", "_", "%s", "?",
    ":x",
    "' OR '1'='1", "' OR 1=1 --", "\" OR \"\"=\"", "'; DROP TABLE sentinel; --",
    "\\'; DROP TABLE sentinel; --", "$$; DROP TABLE sentinel; $$", "1; DELETE FROM sentinel",
    "'); DELETE FROM sentinel; --", "')); DELETE FROM sentinel; --", "' UNION SELECT 1 --",
    "x' AND pg_sleep(5) IS NULL --", "||pg_sleep(5)", "{\"$ne\": null}", "}'", "{}", "'{}'",
    "'::jsonb", "\u{2019}; DROP TABLE sentinel", "\u{FF07}; DROP TABLE sentinel", "\u{2BC}",
    "%27%3B", "&#39;", "E'\\047'", "\u{0001}", "\n; DROP TABLE sentinel;\n", "\u{FEFF}'", "𝕏'",
  ]

  /// Every place of a condition that takes a free text, with `text` in it.
  static func conditions(_ text: String) -> [Condition] {
    let value = JSONValue.string(text)
    let comparisons: [Comparison] = [
      .eq(value), .ne(value), .isIn([value, value]), .notIn([value]), .gt(value), .gte(value),
      .lt(value), .lte(value), .between(value, value), .contains(value), .startsWith(text),
    ]
    let filters = [PropertyCondition(key: text, comparisons: comparisons)]
    let positions: [Condition] = [
      .event(EventCondition(name: text, filters: filters)),
      .event(
        EventCondition(
          name: "x", filters: filters, measure: .sum(property: text), comparisons: [.gte(1)])),
      .event(EventCondition(name: "x", within: .calendar(days: 2, zone: .named(text)))),
      .sequence(
        SequenceCondition(steps: [
          .init(name: text, filters: filters), .init(name: text, filters: filters, same: text),
        ])),
      .consent(ConsentCondition(channel: text)),
      .segment(key: text), .segment(key: "rule " + text),
      .received(ReceivedCondition(plan: text, within: .calendar(days: 2, zone: .user))),
      .bucket(BucketCondition(range: 0...9999, salt: text)), .tag(TagCondition(key: text)),
    ]
    return positions
      + comparisons.flatMap { comparison -> [Condition] in
        [
          .attribute(AttributeCondition(key: text, comparisons: [comparison])),
          .tag(TagCondition(key: text, comparisons: [comparison])),
        ]
      }
  }

  static func predicate(_ text: String, _ condition: Condition) throws -> SQL {
    let closure = SegmentClosure(
      conditions: ["rule " + text: .tag(TagCondition(key: text))], lists: [text: 1])
    return try SegmentCompiler.predicate(
      condition, closure: closure, now: SegmentFixture.now, projectZone: text)
  }

  @Test("Payloads leave the statement's text and a sentinel table as they were")
  func payloads() async throws {
    let people = try await SegmentFixture.people([["a": "b"], ["a": 1]])
    let db = SegmentFixture.db
    _ = try await db.write { tx in
      try tx.execute(script: "CREATE TABLE sentinel (n int); INSERT INTO sentinel VALUES (7)")
      try tx.execute("UPDATE users SET time_zone = 'No/Where'")
    }
    let harmless = try Self.conditions("x").map { try Self.predicate("x", $0).text }
    for payload in Self.payloads {
      let predicates = try Self.conditions(payload).map { try Self.predicate(payload, $0) }
      #expect(predicates.map(\.text) == harmless, "\(payload)")
      try await db.read { db in
        for predicate in predicates {
          let count = try SegmentCrowdStore.count(predicate, in: db)
          #expect(count <= people.count)
        }
      }
    }
    let sentinel = try await db.read {
      try $0.one("SELECT sum(n) FROM sentinel")?.get(0, as: Int.self)
    }
    #expect(sentinel == 7)
  }
}
