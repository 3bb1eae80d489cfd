import Foundation
import Postgres

/// Whose rows a report may count: everybody's, or those of the key's user scope.
struct ReportScope: Sendable {
  /// Over `users u`; nil without a scope.
  private let predicate: SQL?

  init(_ caller: Caller, projectZone: String, now: Date, in db: any Queryable) throws {
    predicate =
      caller.userScope == nil
      ? nil : try UserScope.predicate(caller, now: now, projectZone: projectZone, in: db)
  }

  var isEverybody: Bool { predicate == nil }

  /// A boolean over a table with a `user_id`, known by `alias`.
  func admits(_ alias: String) -> SQL {
    guard let predicate else { return "true" }
    return """
      EXISTS (SELECT FROM users u WHERE u.id = coalesce(
          (SELECT user_id FROM user_aliases WHERE alias_id = \(identifier: alias).user_id),
          \(identifier: alias).user_id) AND (\(predicate)))
      """
  }
}
