import Foundation
import JSON
import Postgres

/// Questions about the users for whom a compiled predicate (a boolean over alias `u`) is true.
/// Erased users are nobody's.
enum SegmentCrowdStore {
  struct Preview: Sendable {
    let count: Int
    let reachable: [(channel: String, count: Int)]
    let sample: [UUID]
  }

  static let sampleSize = 10

  /// Plans each statement for its own values: compiled conditions differ too much to share plans.
  static func prepare(_ tx: Transaction) throws {
    try tx.execute("SET LOCAL plan_cache_mode = 'force_custom_plan'")
  }

  static func count(_ predicate: SQL, in db: any Queryable) throws -> Int {
    let statement: SQL = """
      SELECT count(*) FROM users AS u WHERE u.erased_at IS NULL AND \(predicate)
      """
    return try db.one(statement.unprepared())?.get(0) ?? 0
  }

  /// The crowd is found once; `channels` are predicates over it.
  static func preview(
    _ predicate: SQL, channels: [(channel: String, predicate: SQL)], in db: any Queryable
  ) throws -> Preview {
    var branches: [SQL] = ["SELECT '' AS channel, count(*) AS count, NULL::uuid AS id FROM u"]
    for (channel, reaches) in channels {
      branches.append("SELECT \(channel), count(*), NULL FROM u WHERE \(reaches)")
    }
    branches.append("(SELECT 'sample', 0, u.id FROM u LIMIT \(sampleSize))")
    let statement: SQL = """
      WITH u AS MATERIALIZED (
        SELECT u.id FROM users AS u WHERE u.erased_at IS NULL AND \(predicate)
      )
      \(SQL.joined(branches, separator: " UNION ALL "))
      """
    var count = 0
    var reachable: [(channel: String, count: Int)] = []
    var sample: [UUID] = []
    for row in try db.query(statement.unprepared()) {
      switch try row.get("channel", as: String.self) {
      case "": count = try row.get("count")
      case "sample": sample.append(try row.get("id"))
      case let channel: reachable.append((channel, try row.get("count")))
      }
    }
    return Preview(count: count, reachable: reachable, sample: sample)
  }

  enum Dimension {
    case tag(String)
    case attribute(String)
  }

  static let insightRows = 200

  /// How the crowd splits by a tag's or attribute's value, most first; nil is absent. At most
  /// `insightRows` values, and one more row when there are others.
  static func insight(
    _ predicate: SQL, by dimension: Dimension, now: Date, in db: any Queryable
  ) throws -> [(value: JSONValue?, count: Int)] {
    let value: SQL =
      switch dimension {
      case .attribute(let key): "nullif(u.attributes -> \(key), 'null')"
      case .tag(let key):
        """
        (SELECT t.value FROM user_tags AS t WHERE t.user_id = u.id AND t.tag = \(key)
          AND (t.expires_at IS NULL OR t.expires_at > \(now)))
        """
      }
    let statement: SQL = """
      SELECT value, count(*) AS count FROM (
        SELECT \(value) AS value FROM users AS u WHERE u.erased_at IS NULL AND \(predicate)
      ) AS crowd
      GROUP BY value ORDER BY count(*) DESC, value LIMIT \(insightRows + 1)
      """
    return try db.query(statement.unprepared()).map { row in
      (value: try row.optionalJSON("value"), count: try row.get("count"))
    }
  }
}
