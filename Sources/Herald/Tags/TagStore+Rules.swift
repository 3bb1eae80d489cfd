import Conditions
import Foundation
import JSON
import Postgres

extension TagStore {
  static func rules(in db: any Queryable) throws -> [TagRule] {
    try db.query(
      "SELECT key, rule FROM tags WHERE rule IS NOT NULL AND archived_at IS NULL ORDER BY key"
    ).map { row in
      TagRule(tag: try row.get("key"), condition: try Condition.stored(row.json("rule")))
    }
  }

  /// Makes the users with this tag by rule exactly those for whom `rule`, a boolean over alias `u`,
  /// is true, apart from users who have it by hand. One statement for each direction; rows that stay
  /// are not touched. A tag set by rule has no expiry: the rule says when it ends.
  static func apply(
    rule: SQL, tag: String, now: Date, in tx: Transaction
  ) throws -> (set: Int, removed: Int) {
    let removal: SQL = """
      DELETE FROM user_tags AS held WHERE held.tag = \(tag) AND held.source = 'rule'
        AND NOT EXISTS (
          SELECT FROM users AS u WHERE u.id = held.user_id AND u.erased_at IS NULL AND \(rule))
      """
    // Ordered by user, as every writer of user_tags: no crossing locks. An expired tag that was set
    // by hand is gone for all who ask, so the rule may take its place.
    let addition: SQL = """
      INSERT INTO user_tags AS held (user_id, tag, value, source, created_at, updated_at)
      SELECT u.id, \(tag), 'true', 'rule', \(now), \(now) FROM users AS u
      WHERE u.erased_at IS NULL AND \(rule)
        AND NOT EXISTS (
          SELECT FROM user_tags AS known WHERE known.user_id = u.id AND known.tag = \(tag)
            AND (known.expires_at IS NULL OR known.expires_at > \(now)))
      ORDER BY u.id
      ON CONFLICT (user_id, tag) DO UPDATE SET value = 'true', source = 'rule',
        updated_at = excluded.updated_at, expires_at = NULL
        WHERE held.expires_at <= excluded.updated_at
      """
    let removed = try tx.execute(removal.unprepared())
    return (try tx.execute(addition.unprepared()), removed)
  }
}
