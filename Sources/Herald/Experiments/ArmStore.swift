import Foundation
import JSON
import Postgres

/// Groups of holdouts and experiments that people are kept in.
enum ArmStore {
  /// At a merge: what the survivor has no arm of is taken over from the one who goes. What both have
  /// stays the survivor's; where that is another arm than the one the merged user was in, it flips.
  static func hand(_ merged: UUID, to survivor: UUID, in tx: Transaction) throws -> [ArmDifference]
  {
    let flips = try differences([(survivor, merged)], in: tx)[0] ?? []
    try tx.execute(
      """
      INSERT INTO arms (user_id, scope, arm, bucket, assigned_at, origin)
      SELECT \(survivor), scope, arm, bucket, assigned_at, \(merged) FROM arms
      WHERE user_id = \(merged)
      ON CONFLICT (user_id, scope) DO NOTHING
      """)
    return flips
  }

  /// The arms of enrolments; those without one are absent.
  static func arms(
    _ enrolments: [EnrolmentName], in db: any Queryable
  ) throws -> [EnrolmentName: String] {
    // By the primary key, as in `EnrolmentStore.end`.
    let rows = try db.query(
      """
      SELECT e.user_id, e.run_id, e.entry_key, e.arm
      FROM unnest(\(enrolments.map(\.user)), \(enrolments.map(\.run)),
        \(enrolments.map(\.entryKey))) AS n (user_id, run_id, entry_key)
      JOIN enrolments e ON e.user_id = n.user_id AND e.run_id IS NOT DISTINCT FROM n.run_id
        AND e.entry_key = n.entry_key
      WHERE e.arm IS NOT NULL
      """)
    var arms: [EnrolmentName: String] = [:]
    for row in rows { arms[try EnrolmentName(row)] = try row.get("arm") }
    return arms
  }

  /// By position of the pair: scopes in which the two are in different arms.
  static func differences(
    _ pairs: [(one: UUID, other: UUID)], in db: any Queryable
  ) throws -> [Int: [ArmDifference]] {
    guard !pairs.isEmpty else { return [:] }
    let rows = try db.query(
      """
      SELECT n.place, a.scope, a.arm AS one, b.arm AS other
      FROM unnest(\(pairs.map(\.one)), \(pairs.map(\.other))) WITH ORDINALITY
        AS n (one_id, other_id, place)
      LEFT JOIN user_aliases la ON la.alias_id = n.one_id
      LEFT JOIN user_aliases lb ON lb.alias_id = n.other_id
      JOIN arms a ON a.user_id = coalesce(la.user_id, n.one_id)
      JOIN arms b ON b.user_id = coalesce(lb.user_id, n.other_id) AND b.scope = a.scope
      WHERE a.arm <> b.arm ORDER BY n.place, a.scope
      """)
    var found: [Int: [ArmDifference]] = [:]
    for row in rows {
      found[try row.get("place", as: Int.self) - 1, default: []].append(
        ArmDifference(
          scope: try row.get("scope"), one: try row.get("one"), other: try row.get("other")))
    }
    return found
  }
}
