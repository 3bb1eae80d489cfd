import Conditions
import Foundation
import JSON
import Postgres

/// The part of all users that a key may see and target.
public enum UserScope {
  /// A boolean over the alias `u` of `users`, never NULL; TRUE for a key without a scope. A user for
  /// whom it is false must be answered like one that does not exist. `projectZone`: instead of that
  /// of the settings.
  public static func predicate(
    _ caller: Caller, now: Date, projectZone: String? = nil, in db: any Queryable
  ) throws -> SQL {
    guard let scope = caller.userScope else { return "TRUE" }
    do {
      let closure = try SegmentStore.closure(of: scope, in: db)
      let settings = try SettingsStore.load(in: db).settings
      return try SegmentCompiler.predicate(
        scope, closure: closure, now: now, projectZone: projectZone ?? settings.timeZone,
        unknown: settings.unknownConsent, moving: EventHistory.isMoving(in: db))
    } catch let error as HeraldError {
      // The fault of who made the key, not of what is asked with it.
      throw HeraldError(
        .forbidden,
        "Whom this key may see cannot be told: \(error.message) Have an admin make a new key.")
    }
  }

  /// Refuses a scope that could not be asked, with its faults at `pointer`.
  static func check(
    _ scope: Condition, at pointer: JSONPointer, now: Date, in db: any Queryable
  ) throws {
    let faults = Faults()
    try SegmentStore.check(scope, owner: nil, at: pointer, faults: faults, in: db)
    guard faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    let closure = try SegmentStore.closure(of: scope, at: pointer, in: db)
    _ = try SegmentCompiler.predicate(
      scope, closure: closure, now: now, projectZone: ProjectSettings().timeZone)
  }

  /// Those of `users` that the caller may see.
  public static func visible(
    _ users: [UUID], to caller: Caller, now: Date, in db: any Queryable
  ) throws -> Set<UUID> {
    guard caller.userScope != nil else { return Set(users) }
    let statement: SQL = """
      SELECT u.id FROM users u
      WHERE u.id = ANY(\(users)) AND u.erased_at IS NULL
        AND (\(try predicate(caller, now: now, in: db)))
      """
    return try db.query(statement.unprepared()).ids()
  }

  static let leaving = HeraldError(
    .forbidden, "The user would lie outside the user scope of this key; nothing was changed.")

  /// After a change, in its transaction: 403 when one of the users would not be seen any more.
  static func requireInside(
    _ users: [UUID], for caller: Caller, now: Date, in tx: Transaction
  ) throws {
    guard caller.userScope != nil else { return }
    guard try visible(users, to: caller, now: now, in: tx).isSuperset(of: users) else {
      throw leaving
    }
  }

  /// The users named, as far as the caller may see them; nil otherwise.
  public static func resolve(
    _ refs: [UserRef], for caller: Caller, now: Date, in db: any Queryable
  ) throws -> [UUID?] {
    let found = try UserStore.resolve(refs, in: db)
    guard caller.userScope != nil else { return found }
    let visible = try visible(found.compactMap { $0 }, to: caller, now: now, in: db)
    return found.map { id in id.flatMap { visible.contains($0) ? $0 : nil } }
  }

  /// The user named; 404 when the caller may not see them.
  public static func load(
    _ ref: UserRef, for caller: Caller, now: Date, in db: any Queryable
  ) throws -> UUID {
    guard let id = try resolve([ref], for: caller, now: now, in: db)[0] else {
      throw UserRef.notFound
    }
    return id
  }
}
