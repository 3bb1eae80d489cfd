import Conditions
import Foundation
import JSON
import Postgres

extension Users {
  /// Oldest first. `tag`: only users who have it; `segment`: only its members, evaluated now.
  func list(
    _ page: PageRequest, tag: String?, segment: String?, createdAfter: Date?, for caller: Caller,
    now: Date
  ) async throws -> Page<User> {
    let rows = try await db.read { db in
      var filters: [SQL] = [try UserScope.predicate(caller, now: now, in: db)]
      if let createdAfter { filters.append("u.created_at > \(createdAfter)") }
      if let tag {
        _ = try TagStore.load(tag, in: db)
        filters.append(
          """
          EXISTS (SELECT FROM user_tags t WHERE t.tag = \(tag) AND t.user_id = u.id
            AND (t.expires_at IS NULL OR t.expires_at > \(now)))
          """)
      }
      if let segment {
        _ = try SegmentStore.load(segment, in: db)
        let settings = try SettingsStore.load(in: db).settings
        let closure = try SegmentStore.closure(of: Self.membership(segment), in: db)
        filters.append(
          try SegmentCompiler.predicate(
            Self.membership(segment), closure: closure, now: now, projectZone: settings.timeZone,
            unknown: settings.unknownConsent, moving: EventHistory.isMoving(in: db)))
      }
      return try UserStore.list(
        page, filter: .joined(filters.map { "(\($0))" }, separator: " AND "), now: now, in: db)
    }
    return Page(rows, page) { UserPosition($0).values }
  }

  private static func membership(_ segment: String) throws -> Condition {
    let faults = Faults()
    let document: JSONValue = ["segment": .string(segment)]
    guard let condition = Condition.parse(document, at: .root, faults: faults) else {
      throw HeraldError.notFound("segment", segment)
    }
    return condition
  }
}
