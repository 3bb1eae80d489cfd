import Conditions
import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

/// The text of what is compiled. A change here is a change of every segment's plan: look at EXPLAIN.
@Suite("Compiled conditions")
struct SegmentCompilerTests {
  static let closure = SegmentClosure(
    conditions: ["grown": .attribute(AttributeCondition(key: "age", comparisons: [.gte(18)]))],
    lists: ["upload": 3])

  static let zone = """
    coalesce(coalesce((SELECT z.name FROM time_zones AS z WHERE z.name = u.time_zone), \
    (SELECT herald_phone_zone(i.value) FROM identities AS i \
    WHERE i.user_id = u.id AND i.kind = 'phone' ORDER BY i.created_at, i.value LIMIT 1)), \
    coalesce((SELECT z.name FROM time_zones AS z WHERE z.name = $Z), 'UTC'))
    """

  static let texts: [(JSONValue, String)] = [
    (["all": []], "TRUE"),
    (
      ["attribute": "age", "between": [40, 60]],
      "((jsonb_typeof(u.attributes -> $1) = 'number' AND (u.attributes -> $2) >= $3) IS TRUE "
        + "AND (jsonb_typeof(u.attributes -> $4) = 'number' AND (u.attributes -> $5) <= $6) IS TRUE)"
    ),
    (["attribute": "city", "ne": "x"], "((u.attributes -> $1) = $2) IS NOT TRUE"),
    (
      ["attribute": "city", "gt": "x"],
      "(jsonb_typeof(u.attributes -> $1) = 'string' AND ((u.attributes -> $2) #>> '{}') "
        + "COLLATE \"C\" > $3) IS TRUE"
    ),
    (
      ["tag": "vip"],
      "EXISTS (SELECT FROM user_tags AS t WHERE t.user_id = u.id AND t.tag = $1 "
        + "AND (t.expires_at IS NULL OR t.expires_at > $2))"
    ),
    (
      ["tag": "tier", "not_in": ["gold"]],
      "(NOT EXISTS (SELECT FROM user_tags AS t WHERE t.user_id = u.id AND t.tag = $1 "
        + "AND (t.expires_at IS NULL OR t.expires_at > $2) "
        + "AND NOT (((t.value) = ANY($3)) IS NOT TRUE)))"
    ),
    (
      ["not": ["event": "refund", "within": "7d"]],
      "(NOT EXISTS (SELECT FROM events AS e WHERE e.user_id = u.id AND e.name = $1 "
        + "AND e.ts > $2 AND e.ts <= $3))"
    ),
    (
      ["event": "order_paid", "count": ["gte": 2]],
      "EXISTS (SELECT FROM (SELECT e.user_id FROM events AS e WHERE e.name = $1 AND e.ts <= $2 "
        + "GROUP BY e.user_id HAVING count(*) >= $3::numeric) AS g WHERE g.user_id = u.id)"
    ),
    (
      ["event": "order_paid", "count": ["lt": 3]],
      "(NOT EXISTS (SELECT FROM (SELECT e.user_id FROM events AS e WHERE e.name = $1 "
        + "AND e.ts <= $2 GROUP BY e.user_id HAVING NOT (count(*) < $3::numeric)) AS g "
        + "WHERE g.user_id = u.id))"
    ),
    (
      ["event": "order_paid", "sum": "amount", "gte": 500],
      "EXISTS (SELECT FROM (SELECT e.user_id FROM events AS e WHERE e.name = $1 AND e.ts <= $2 "
        + "GROUP BY e.user_id HAVING coalesce(sum(CASE WHEN jsonb_typeof(e.properties -> $3) = "
        + "'number' THEN (e.properties -> $4)::numeric END), 0) >= $5::numeric) AS g "
        + "WHERE g.user_id = u.id)"
    ),
    (
      [
        "sequence": [["event": "a"], ["event": "b", "within": "2h", "same": "id"]],
        "absent": "last",
      ],
      "EXISTS (SELECT FROM events AS \"e1\" WHERE \"e1\".user_id = u.id AND \"e1\".name = $1 "
        + "AND \"e1\".ts <= $2 AND \"e1\".ts <= $3 AND NOT EXISTS (SELECT FROM events AS \"e2\" "
        + "WHERE \"e2\".user_id = u.id AND \"e2\".name = $4 AND \"e2\".ts <= $5 "
        + "AND \"e2\".ts > \"e1\".ts AND \"e2\".ts <= \"e1\".ts + make_interval(secs => $6) "
        + "AND \"e2\".properties -> $7 = \"e1\".properties -> $8 "
        + "AND jsonb_typeof(\"e2\".properties -> $9) <> 'null'))"
    ),
    (
      ["consent": "sms"],
      "EXISTS (SELECT FROM consents AS c WHERE c.user_id = u.id AND c.channel = $1 "
        + "AND c.subscription_group = '' AND c.state = $2)"
    ),
    (
      ["segment": "upload"],
      "EXISTS (SELECT FROM segment_members AS m WHERE m.segment = $1 AND m.user_id = u.id "
        + "AND m.from_version <= $2 AND (m.until_version IS NULL OR m.until_version > $3))"
    ),
    (
      ["any": [["segment": "grown"], ["bucket": [0, 999]]]],
      "((jsonb_typeof(u.attributes -> $1) = 'number' AND (u.attributes -> $2) >= $3) IS TRUE "
        + "OR (herald_bucket($4, u.id::text) BETWEEN $5 AND $6))"
    ),
    (
      ["attribute": "birthday", "matches_day": "today"],
      "(jsonb_typeof(u.attributes -> $1) = 'string' AND herald_matches_day("
        + "((u.attributes -> $2) #>> '{}'), \(zone.replacingOccurrences(of: "$Z", with: "$3")), "
        + "(($4 AT TIME ZONE \(zone.replacingOccurrences(of: "$Z", with: "$5")))::date + $6))) "
        + "IS TRUE"
    ),
  ]

  @Test("The SQL of a node is as written down", arguments: texts)
  func text(condition: JSONValue, expected: String) throws {
    let sql = try Self.compile(condition)
    #expect(sql == expected)
  }

  @Test("For a handful of people an event is counted user by user")
  func few() throws {
    let sql = try Self.compile(["event": "order_paid", "count": ["gte": 2]], .few)
    #expect(
      sql == """
        (SELECT count(*) >= $1::numeric FROM events AS e WHERE e.user_id = u.id \
        AND e.name = $2 AND e.ts <= $3)
        """)
  }

  @Test("A condition that grows beyond all measure through the segments it names is refused")
  func tooLarge() throws {
    var closure = SegmentClosure.empty
    closure.conditions["s0"] = .everybody
    for level in 1...8 {
      closure.conditions["s\(level)"] = .any(
        Array(repeating: .segment(key: "s\(level - 1)"), count: 10))
    }
    let error = #expect(throws: HeraldError.self) {
      try SegmentCompiler.predicate(
        .segment(key: "s8"), closure: closure, now: SegmentFixture.now, projectZone: "UTC")
    }
    #expect(error?.code == .segmentTooLarge)
  }

  static func compile(
    _ json: JSONValue, _ shape: SegmentCompiler.Shape = .crowd
  ) throws -> String {
    try SegmentCompiler.predicate(
      Condition.stored(json), closure: closure, now: SegmentFixture.now,
      projectZone: "Asia/Shanghai", shape: shape
    ).text
  }
}
