import Foundation
import JSON
import Postgres

/// The members of static lists. Each change makes one list version; a member carries the versions
/// between which it belongs, so that an approved plan keeps the list its approver saw.
public enum SegmentMemberStore {
  public struct Outcome: Sendable {
    public let version: Int
    public let added: Int
    public let removed: Int
    /// Entries of the request that name nobody.
    public var unknown: [JSONFault] = []

    func with(unknown: [JSONFault]) -> Outcome {
      var copy = self
      copy.unknown = unknown
      return copy
    }
  }

  /// Adds and removes in one new version of the list; what changes nothing leaves the version alone.
  /// The caller holds the segment's row lock. A user in both lists is removed.
  static func change(
    _ key: String, from version: Int, add: [UUID], remove: [UUID], in tx: Transaction
  ) throws -> Outcome {
    let gone = Set(remove)
    // Sorted: no crossing locks with another writer.
    let add = Set(add).subtracting(gone).sorted { $0.text < $1.text }
    let next = version + 1
    let removed = try tx.execute(
      """
      UPDATE segment_members SET until_version = \(next)
      WHERE segment = \(key) AND until_version IS NULL AND user_id = ANY(\(Array(gone)))
      """)
    let added = try tx.execute(
      """
      INSERT INTO segment_members (segment, user_id, from_version)
      SELECT \(key), u, \(next) FROM unnest(\(add)) AS u
      ON CONFLICT (segment, user_id) WHERE until_version IS NULL DO NOTHING
      """)
    guard added + removed > 0 else {
      return Outcome(version: version, added: 0, removed: 0)
    }
    try tx.execute("UPDATE segments SET list_version = \(next) WHERE key = \(key)")
    return Outcome(version: next, added: added, removed: removed)
  }

  static func count(_ key: String, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(*) FROM segment_members m WHERE segment = \(key) AND until_version IS NULL
        AND NOT EXISTS (SELECT FROM user_aliases a WHERE a.alias_id = m.user_id)
      """)?.get(0) ?? 0
  }
}
