import Foundation
import Postgres

/// What could not be taken, kept for people to look at.
public struct Violations: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  /// Days they are kept.
  static let retentionDays = 30
  /// The newest of them; a client that sends nothing but nonsense does not fill the disk.
  static let limit = 100_000

  struct Filter: Sendable {
    var source: String?
    var principal: String?
    var code: String?
    var isStored: Bool?
    var event: String?
    var since: Date?
    var until: Date?
  }

  /// Telling the same again adds nothing.
  func record(_ violations: [Violation]) async throws {
    guard !violations.isEmpty else { return }
    try await db.write { tx in try ViolationStore.insert(violations, in: tx) }
  }

  /// A key with a user scope sees its principal's only, and of those none of users outside: what
  /// the others sent may be of any user. What is of nobody known it sees where all keys of the principal
  /// have the same scope.
  func list(
    _ page: PageRequest, _ filter: Filter, for caller: Caller, now: Date
  ) async throws -> Page<Violation> {
    var filter = filter
    if caller.userScope != nil {
      if let asked = filter.principal, asked != caller.principal {
        return Page([], page) { _ in [] }
      }
      filter.principal = caller.principal
    }
    let rows = try await db.read { [filter] db in
      let visible: SQL =
        caller.userScope == nil
        ? "TRUE"
        : """
        CASE WHEN user_id IS NULL
        THEN NOT EXISTS (SELECT FROM api_keys k WHERE k.principal = violations.principal
          AND k.user_scope IS DISTINCT FROM
            (SELECT own.user_scope FROM api_keys own WHERE own.id = \(caller.keyID)))
        ELSE EXISTS (SELECT FROM users u
          WHERE u.id = coalesce(
              (SELECT a.user_id FROM user_aliases a WHERE a.alias_id = violations.user_id),
              violations.user_id)
            AND (\(try UserScope.predicate(caller, now: now, in: db))))
        END
        """
      return try ViolationStore.list(page, filter, visible: visible, in: db)
    }
    return Page(rows, page) { [String($0.at.microsecondsSince1970), $0.id.text] }
  }

  /// Called by the housekeeper.
  func prune(now: Date) async throws {
    let before = now.addingTimeInterval(-Double(Self.retentionDays) * 86_400)
    try await db.pool.write { tx in
      try ViolationStore.prune(before: before, keeping: Self.limit, in: tx)
    }
  }
}
