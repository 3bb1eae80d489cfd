import Foundation
import JSON
import Postgres

/// People: who they are, and what is known of them.
public struct Users: Sendable {
  let db: Database
  private let settings: (@Sendable () async throws -> ProjectSettings)?

  /// `settings`: what holds now; read from the database when left out.
  public init(db: Database, settings: (@Sendable () async throws -> ProjectSettings)? = nil) {
    self.db = db
    self.settings = settings
  }

  func currentSettings() async throws -> ProjectSettings {
    guard let settings else { return try await db.read { try SettingsStore.load(in: $0).settings } }
    return try await settings()
  }

  /// What became of one item of a batch.
  enum ItemResult: Sendable {
    case changed(UUID, created: Bool)
    case refused(HeraldError)
  }

  func get(_ ref: UserRef, for caller: Caller, now: Date) async throws -> User {
    try await db.read { db in
      try UserStore.load(UserScope.load(ref, for: caller, now: now, in: db), now: now, in: db)
    }
  }

  /// Creates or changes the user whom the identities name.
  ///
  /// Several known users are merged, or identities go from one to the other, by the rules of
  /// `IdentityResolution`. Where none applies it is a 409 `identity_conflict`, nothing of the change
  /// is made, and the conflict is put before a person.
  func upsert(
    _ change: UserChange, by caller: Caller, now: Date
  ) async throws -> (user: User, created: Bool) {
    try await db.write { tx -> Result<(user: User, created: Bool), HeraldError> in
      let item = UserChanges.Item(change: change)
      switch try Self.apply(item, by: caller, now: now, in: tx) {
      case .refused(let error): return .failure(error)
      case .changed(let id, let created):
        try AuditStore.append(
          AuditEntry(
            created ? "user.created" : "user.put", "user", id.text, after: change.auditJSON,
            by: caller, at: now), in: tx)
        return .success((try UserStore.load(id, now: now, in: tx), created))
      }
    }.get()
  }

  /// Every good change is made, whatever the others are.
  func batch(
    _ items: [Result<UserChanges.Item, HeraldError>], by caller: Caller, now: Date
  ) async throws -> [ItemResult] {
    try await db.write { tx in
      let good = items.compactMap { try? $0.get() }
      var outcomes = try Self.apply(good, by: caller, now: now, in: tx)[...]
      let results = items.map { item -> ItemResult in
        switch item {
        case .failure(let error): .refused(error)
        case .success: outcomes.popFirst() ?? .refused(HeraldError(.unexpected, "lost"))
        }
      }
      try AuditStore.append(
        AuditEntry(
          "user.batch", "user", "batch",
          after: [
            "created": .int(
              results.count { if case .changed(_, true) = $0 { true } else { false } }),
            "changed": .int(
              results.count { if case .changed(_, false) = $0 { true } else { false } }),
          ], by: caller, at: now), in: tx)
      return results
    }
  }

  /// `expecting`: the version of If-Match, 412 when it is another.
  func patch(
    _ ref: UserRef, _ change: UserChange, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> User {
    try await db.write { tx -> Result<User, HeraldError> in
      try change.identities.isEmpty
        ? IdentityLock.share(in: tx) : IdentityLock.holdAlone(in: tx)
      let id = try UserScope.load(ref, for: caller, now: now, in: tx)
      try UserStore.lock([id], in: tx)
      let known = try UserStore.load(id, now: now, in: tx)
      try Precondition.check(expecting, actual: known.version)
      let target = try IdentityStore.origin(of: ref, in: tx)
      let item = UserChanges.Item(change: change, target: target)
      switch try Self.apply(item, by: caller, now: now, in: tx) {
      case .refused(let error): return .failure(error)
      case .changed(let id, _):
        try AuditStore.append(
          AuditEntry(
            "user.changed", "user", id.text, after: change.auditJSON, by: caller, at: now),
          in: tx)
        return .success(try UserStore.load(id, now: now, in: tx))
      }
    }.get()
  }

  private static func apply(
    _ item: UserChanges.Item, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> ItemResult {
    guard let result = try apply([item], by: caller, now: now, in: tx).first else {
      throw HeraldError(.unexpected, "A change was lost.")
    }
    return result
  }

  /// Under a user scope one by one: each change is undone when it touches, or makes, a user that
  /// lies outside.
  private static func apply(
    _ items: [UserChanges.Item], by caller: Caller, now: Date, in tx: Transaction
  ) throws -> [ItemResult] {
    guard caller.userScope != nil else {
      return try tx.bisecting(
        items,
        {
          try UserChanges.apply($0, source: "api", by: caller, now: now, in: tx)
            .map(ItemResult.init)
        }, refused: { .refused(HeraldError(.invalid, "It was refused: \($1.message)")) })
    }
    return try items.map { item in
      do {
        return try tx.savepoint { try applyScoped(item, by: caller, now: now, in: tx) }
      } catch let error as HeraldError {
        return .refused(error)
      }
    }
  }

  private static func applyScoped(
    _ item: UserChanges.Item, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> ItemResult {
    let owners = Set(try UserStore.owners(of: item.change.identities, in: tx).values)
    let before = try UserScope.visible(Array(owners), to: caller, now: now, in: tx)
    guard before.count == owners.count else { throw UserRef.notFound }
    let outcomes = try UserChanges.apply([item], source: "api", by: caller, now: now, in: tx)
    guard case .changed(let id, _)? = outcomes.first,
      try !UserScope.visible([id], to: caller, now: now, in: tx).contains(id)
    else { return outcomes.first.map(ItemResult.init) ?? .refused(UserRef.notFound) }
    throw UserScope.leaving
  }
}

extension Users.ItemResult {
  fileprivate init(_ outcome: UserChanges.Outcome) {
    switch outcome {
    case .changed(let id, let created): self = .changed(id, created: created)
    case .refused(let error): self = .refused(error)
    }
  }
}
