import Foundation
import Postgres

enum JobErrorStore {
  /// A job keeps this many; `failed` counts on.
  static let limit = 100_000

  static func add(_ faults: [RecordFault], to job: UUID, in tx: Transaction) throws {
    guard !faults.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO job_errors (job, line, code, pointer, detail)
      SELECT \(job), line, code, pointer, detail
      FROM unnest(\(faults.map(\.line)), \(faults.map(\.code)), \(faults.map(\.pointer)),
        \(faults.map(\.detail))) AS n (line, code, pointer, detail)
      ON CONFLICT (job, line, pointer, code) DO NOTHING
      """)
  }

  /// In the order of the file, after `line`, `pointer` and `code` of the last one known.
  static func list(
    of job: UUID, after last: RecordFault?, limit: Int, in db: any Queryable
  ) throws -> [RecordFault] {
    try db.query(
      """
      SELECT line, code, pointer, detail FROM job_errors
      WHERE job = \(job)
        AND (\(last?.line)::bigint IS NULL
          OR (line, pointer, code) > (\(last?.line), \(last?.pointer), \(last?.code)))
      ORDER BY line, pointer, code LIMIT \(limit)
      """
    ).map {
      RecordFault(
        line: try $0.get("line"), code: try $0.get("code"), pointer: try $0.get("pointer"),
        detail: try $0.get("detail"))
    }
  }
}

/// The users of a list that is being imported; they become its members all at once.
enum JobMemberStore {
  static func add(_ users: [UUID], to job: UUID, in tx: Transaction) throws {
    guard !users.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO job_members (job, user_id)
      SELECT \(job), u FROM unnest(\(users.sorted())) AS u
      ON CONFLICT (job, user_id) DO NOTHING
      """)
  }

  /// Makes the gathered users the members of the next version of the list. The segment must be
  /// locked. The new size.
  static func publish(
    _ job: UUID, as segment: String, after version: Int, now: Date, in tx: Transaction
  ) throws -> Int {
    let next = version + 1
    // Who was merged into another while the list was read.
    try tx.execute(
      """
      WITH gone AS (
        DELETE FROM job_members j USING user_aliases a
        WHERE j.job = \(job) AND a.alias_id = j.user_id RETURNING a.user_id
      )
      INSERT INTO job_members (job, user_id) SELECT DISTINCT \(job)::uuid, user_id FROM gone
      ON CONFLICT (job, user_id) DO NOTHING
      """)
    try tx.execute(
      """
      UPDATE segment_members m SET until_version = \(next)
      WHERE segment = \(segment) AND until_version IS NULL
        AND NOT EXISTS (SELECT FROM job_members j WHERE j.job = \(job) AND j.user_id = m.user_id)
      """)
    try tx.execute(
      """
      INSERT INTO segment_members (segment, user_id, from_version)
      SELECT \(segment), user_id, \(next) FROM job_members WHERE job = \(job)
      ORDER BY user_id
      ON CONFLICT (segment, user_id) WHERE until_version IS NULL DO NOTHING
      """)
    let size: Int =
      try tx.one("SELECT count(*) FROM job_members WHERE job = \(job)")?.get(0) ?? 0
    try tx.execute(
      """
      UPDATE segments SET list_version = \(next), size = \(size), refreshed_at = \(now)
      WHERE key = \(segment)
      """)
    return size
  }
}
