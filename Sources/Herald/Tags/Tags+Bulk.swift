import Foundation
import JSON
import Postgres

extension Tags {
  /// A tag set on some users and removed from others.
  struct BulkChange: Sendable {
    let add: [Result<UserRef, HeraldError>]
    let remove: [Result<UserRef, HeraldError>]
    let value: JSONValue?
    let expiresAt: Date?
  }

  /// Whom a reference means, and the user it leads to before any merge.
  private struct Named {
    var result: Users.ItemResult
    var origin: UUID?

    var user: UUID? { if case .changed(let id, _) = result { id } else { nil } }

    mutating func refuse(_ users: Set<UUID>) {
      if let user, users.contains(user) { result = .refused(UserScope.leaving) }
    }
  }

  /// One result for each reference, in order; a bad one does not spoil the others. A user in both
  /// lists ends without the tag. Whom the change would take out of the caller's user scope is left
  /// as they are.
  func change(
    _ key: String, _ change: BulkChange, by caller: Caller, now: Date
  ) async throws -> (add: [Users.ItemResult], remove: [Users.ItemResult]) {
    try await db.write { tx in
      try IdentityLock.share(in: tx)
      let tag = try TagStore.load(key, in: tx).tag
      var add = try Self.resolve(change.add, for: caller, now: now, in: tx)
      var remove = try Self.resolve(change.remove, for: caller, now: now, in: tx)
      let leaving = try Self.leaving(by: caller, now: now, in: tx) {
        try Self.write(tag, add, remove, change, now: now, in: tx)
      }
      if !leaving.isEmpty {
        for index in add.indices { add[index].refuse(leaving) }
        for index in remove.indices { remove[index].refuse(leaving) }
        _ = try Self.write(tag, add, remove, change, now: now, in: tx)
      }
      let removed = Set(remove.compactMap(\.user))
      let added = Set(add.compactMap(\.user)).subtracting(removed)
      try AuditStore.append(
        AuditEntry(
          "tag.users", "tag", key,
          after: ["added": .int(added.count), "removed": .int(removed.count)], by: caller,
          at: now), in: tx)
      return (add.map(\.result), remove.map(\.result))
    }
  }

  private struct LeavesScope: Error { let users: Set<UUID> }

  /// Those of the users written who would lie outside; nothing stays written when there are any.
  private static func leaving(
    by caller: Caller, now: Date, in tx: Transaction, _ write: () throws -> Set<UUID>
  ) throws -> Set<UUID> {
    guard caller.userScope != nil else {
      _ = try write()
      return []
    }
    do {
      return try tx.savepoint {
        let users = try write()
        let left = users.subtracting(
          try UserScope.visible(Array(users), to: caller, now: now, in: tx))
        guard left.isEmpty else { throw LeavesScope(users: left) }
        return []
      }
    } catch let error as LeavesScope {
      return error.users
    }
  }

  /// The users written.
  private static func write(
    _ tag: Tag, _ add: [Named], _ remove: [Named], _ change: BulkChange, now: Date,
    in tx: Transaction
  ) throws -> Set<UUID> {
    var removal = UserChange()
    removal.tags = [(tag.key, .remove)]
    var addition = UserChange()
    addition.tags = [(tag.key, .value(change.value ?? true))]
    let removed = Set(remove.compactMap(\.user))
    var folded = FoldedChanges()
    for named in remove {
      if let user = named.user { folded.add(removal, to: user, from: named.origin) }
    }
    for named in add {
      guard let user = named.user, !removed.contains(user) else { continue }
      folded.add(addition, to: user, from: named.origin)
    }
    var users: Set<UUID> = []
    for round in folded.rounds {
      let ids = round.rows.map(\.id)
      let watch = try PartWatch(locking: ids, in: tx)
      try UserTagStore.assign(
        try ids.filter { !removed.contains($0) }.map {
          try tag.assignment($0, change.value, expiresAt: change.expiresAt, now: now)
        }, source: "api", now: now, in: tx)
      try UserTagStore.remove(ids.filter(removed.contains).map { ($0, tag.key) }, in: tx)
      try watch.record(origins: round.origins, touched: round.touched, in: tx)
      users.formUnion(ids)
    }
    return users
  }

  private static func resolve(
    _ refs: [Result<UserRef, HeraldError>], for caller: Caller, now: Date, in tx: Transaction
  ) throws -> [Named] {
    let good = refs.compactMap { try? $0.get() }
    let found = try UserScope.resolve(good, for: caller, now: now, in: tx)
    var named = zip(found, try IdentityStore.origins(of: good, in: tx)).map { user, origin in
      guard let user else { return Named(result: .refused(UserRef.notFound)) }
      return Named(
        result: .changed(user, created: false), origin: origin == user ? nil : origin)
    }[...]
    return refs.map { ref in
      switch ref {
      case .failure(let error): return Named(result: .refused(error))
      case .success: return named.popFirst() ?? Named(result: .refused(UserRef.notFound))
      }
    }
  }
}
