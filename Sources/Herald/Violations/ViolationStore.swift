import Foundation
import Postgres

enum ViolationStore {
  private static let columns: SQL = """
    id, at, source, principal, code, pointer, detail, stored, message_id, event, user_id, payload,
    payload_bytes
    """

  /// Those known already are left as they are.
  static func insert(_ violations: [Violation], in tx: Transaction) throws {
    let violations = violations.sorted { $0.id < $1.id }
    try tx.execute(
      """
      INSERT INTO violations (\(columns))
      SELECT * FROM unnest(\(violations.map(\.id)), \(violations.map(\.at)),
        \(violations.map(\.source)), \(violations.map(\.principal)), \(violations.map(\.code)),
        \(violations.map(\.pointer)), \(violations.map(\.detail)), \(violations.map(\.isStored)),
        \(violations.map(\.messageID)), \(violations.map(\.event)), \(violations.map(\.user)),
        \(violations.map(\.payload)),
        \(violations.map(\.payloadBytes)))
      ON CONFLICT (id) DO NOTHING
      """)
  }

  /// Newest first, by violations_at_idx, of one event by violations_event_idx. `visible`: a boolean
  /// over the alias `u` of users.
  static func list(
    _ page: PageRequest, _ filter: Violations.Filter, visible: SQL, in db: any Queryable
  ) throws -> [Violation] {
    let before = page.after.flatMap { cursor -> (at: Date, id: UUID)? in
      guard let microseconds = Int(cursor.values[0]), let id = UUID(uuidString: cursor.values[1])
      else { return nil }
      return (Date(microsecondsSince1970: microseconds), id)
    }
    let statement: SQL = """
      SELECT \(columns) FROM violations
      WHERE (\(before?.at)::timestamptz IS NULL OR (at, id) < (\(before?.at), \(before?.id)))
        AND (\(filter.source)::text IS NULL OR source = \(filter.source))
        AND (\(filter.principal)::text IS NULL OR principal = \(filter.principal))
        AND (\(filter.code)::text IS NULL OR code = \(filter.code))
        AND (\(filter.isStored)::boolean IS NULL OR stored = \(filter.isStored))
        AND (\(filter.event)::text IS NULL OR event = \(filter.event))
        AND (\(filter.since)::timestamptz IS NULL OR at >= \(filter.since))
        AND (\(filter.until)::timestamptz IS NULL OR at < \(filter.until))
        AND (\(visible))
      ORDER BY at DESC, id DESC LIMIT \(page.limit + 1)
      """
    return try db.query(statement.unprepared()).map(Violation.init)
  }

  /// Those before, and the oldest of more than `limit`.
  static func prune(before: Date, keeping limit: Int, in tx: Transaction) throws {
    try tx.execute("DELETE FROM violations WHERE at < \(before)")
    try tx.execute(
      """
      DELETE FROM violations v USING (
        SELECT at, id FROM violations ORDER BY at DESC, id DESC OFFSET \(limit) LIMIT 1
      ) last WHERE (v.at, v.id) <= (last.at, last.id)
      """)
  }

  /// Those whose payload holds one of the texts, which are in lower case; digits also where a number is
  /// written in groups. It reads them all: they are few, and erasure is rare.
  static func forget(naming texts: [String], in tx: Transaction) throws -> Int {
    try tx.execute(
      """
      DELETE FROM violations v USING unnest(\(texts)) AS t (text)
      WHERE strpos(lower(v.payload), t.text) > 0
        OR strpos(herald_ungrouped(v.payload), t.text) > 0
      """)
  }
}

extension Violation {
  fileprivate init(_ row: Row) throws {
    id = try row.get("id")
    at = try row.get("at")
    source = try row.get("source")
    principal = try row.get("principal")
    code = try row.get("code")
    pointer = try row.get("pointer")
    detail = try row.get("detail")
    isStored = try row.get("stored")
    messageID = try row.get("message_id")
    event = try row.get("event")
    user = try row.get("user_id")
    payload = try row.get("payload")
    payloadBytes = try row.get("payload_bytes")
  }
}
