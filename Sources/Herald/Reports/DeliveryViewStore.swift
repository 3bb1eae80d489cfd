import Foundation
import Postgres

enum DeliveryViewStore {
  /// Newest first. A page costs a pass over the runs' deliveries: there is no index on their states.
  static func list(
    plan: String, _ filter: DeliveryFilter, _ page: PageRequest, scope: ReportScope,
    in db: any Queryable
  ) throws -> [DeliveryView] {
    let before = page.after.flatMap { cursor -> (at: Date, id: UUID)? in
      guard let at = Int(cursor.values[0]), let id = UUID(uuidString: cursor.values[1]) else {
        return nil
      }
      return (Date(microsecondsSince1970: at), id)
    }
    let rows = try db.query(
      SQL(
        """
        SELECT d.id, d.user_id, d.run_id, d.step_id, d.status, d.reason, d.gate, d."values",
          d.channel, d.sender, d.provider_id, d.possibly_duplicate, d.created_at, d.settled_at
        FROM deliveries d
        WHERE d.run_id IN (SELECT id FROM runs WHERE plan = \(plan))
          AND \(scope.admits("d"))
          AND (\(filter.run)::uuid IS NULL OR d.run_id = \(filter.run))
          AND (\(filter.status)::text IS NULL OR d.status = \(filter.status))
          AND (\(filter.step)::text IS NULL OR d.step_id = \(filter.step))
          AND (\(filter.channel)::text IS NULL OR d.channel = \(filter.channel))
          AND (\(filter.reason)::text IS NULL OR d.reason = \(filter.reason))
          AND (\(before?.at)::timestamptz IS NULL
            OR (d.created_at, d.id) < (\(before?.at), \(before?.id)))
        ORDER BY d.created_at DESC, d.id DESC LIMIT \(page.limit + 1)
        """
      ).unprepared()
    ).map(DeliveryView.init)
    let attempts = try ExplanationStore.attempts(
      Array(Set(rows.map(\.user))), deliveries: rows.map(\.id), in: db)
    return rows.map { row in
      var row = row
      row.attempts = attempts[row.id] ?? []
      return row
    }
  }
}

extension DeliveryView {
  fileprivate init(_ row: Row) throws {
    id = try row.get("id")
    user = try row.get("user_id")
    run = try row.get("run_id")
    step = try row.get("step_id")
    status = try row.get("status")
    reason = try row.get("reason")
    gate = try row.get("gate")
    values = try row.optionalJSON("values")
    channel = try row.get("channel")
    sender = try row.get("sender")
    providerID = try row.get("provider_id")
    possiblyDuplicate = try row.get("possibly_duplicate")
    createdAt = try row.get("created_at")
    settledAt = try row.get("settled_at")
  }
}
