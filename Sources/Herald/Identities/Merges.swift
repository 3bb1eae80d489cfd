import Cryptography
import Foundation
import Postgres

/// Merges on request, their record, and undoing them.
public struct Merges: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  /// 404 when the caller may not see the user.
  func check(_ ref: UserRef, for caller: Caller, now: Date) async throws {
    _ = try await db.read { try UserScope.load(ref, for: caller, now: now, in: $0) }
  }

  /// Makes one person of two users, whatever their identities say; that they were told apart before
  /// is forgotten. The one with the most telling identity survives. 409 when they are one already.
  @discardableResult
  func merge(
    _ ref: UserRef, with other: UserRef, by caller: Caller, now: Date
  ) async throws -> UserMerge {
    try await db.write(timeout: .seconds(60)) { tx in
      try IdentityLock.holdAlone(in: tx)
      let users = try UserScope.resolve([ref, other], for: caller, now: now, in: tx)
      guard let one = users[0], let two = users[1] else { throw UserRef.notFound }
      guard one != two else {
        throw HeraldError(.wrongState, "Both are the same user already.")
      }
      let merge = try Self.merge(one, two, reason: .request, by: caller, now: now, in: tx)
      try UserScope.requireInside([merge.survivor], for: caller, now: now, in: tx)
      return merge
    }
  }

  /// Says that `previous` and `current` are the same person, as a Segment `alias` call does: what is
  /// unknown is bound, two users are merged where no rule forbids it, and otherwise the conflict is
  /// put before a person. The user that `current` belongs to afterwards. Fires no triggers.
  public func alias(
    _ previous: Identity, to current: Identity, by caller: Caller, now: Date
  ) async throws -> UUID {
    try await db.write { tx in
      try Self.alias(previous, to: current, by: caller, now: now, in: tx)
    }
  }

  /// The same inside a transaction that other writes share.
  static func alias(
    _ previous: Identity, to current: Identity, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> UUID {
    let claims = [
      IdentityClaims.Claim(identities: [current, previous]),
      IdentityClaims.Claim(identities: [current]),
    ]
    let users = try UserStore.resolveOrCreate(claims, by: caller, now: now, in: tx)
    return users[1].id
  }

  /// See `Merging.undo`. 409 when it was undone before.
  func undo(_ id: UUID, by caller: Caller, now: Date) async throws -> UserMerge {
    try await db.write(timeout: .seconds(60)) { tx in
      try IdentityLock.holdAlone(in: tx)
      let merge = try MergeStore.lock(id, in: tx)
      guard try UserScope.resolve([.id(merge.survivor)], for: caller, now: now, in: tx)[0] != nil
      else { throw HeraldError.notFound("merge", id.text) }
      let undone = try Merging.undo(id, by: caller, now: now, in: tx)
      try UserScope.requireInside([merge.survivor, merge.merged], for: caller, now: now, in: tx)
      return undone
    }
  }

  func list(
    _ page: PageRequest, user: UserRef?, state: String?, for caller: Caller, now: Date
  ) async throws -> Page<UserMerge> {
    let rows = try await db.read { db in
      let user = try user.map { try UserScope.load($0, for: caller, now: now, in: db) }
      let visible: SQL =
        caller.userScope == nil
        ? "TRUE"
        : """
        EXISTS (SELECT FROM users u LEFT JOIN user_aliases a ON a.alias_id = m.survivor_id
          WHERE u.id = coalesce(a.user_id, m.survivor_id)
            AND (\(try UserScope.predicate(caller, now: now, in: db))))
        """
      return try MergeStore.list(page, user: user, state: state, visible: visible, in: db)
    }
    return Page(rows, page) { [$0.id.text] }
  }

  /// The identity lock must be held alone.
  static func merge(
    _ one: UUID, _ other: UUID, reason: UserMerge.Reason, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws -> UserMerge {
    try MergeStore.unseparate(UserPair(one, other), in: tx)
    let (survivor, merged) = try Merging.order(one, other, in: tx)
    return try Merging.merge(merged, into: survivor, reason: reason, by: caller, now: now, in: tx)
  }
}
