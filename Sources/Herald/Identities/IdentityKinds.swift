import Foundation
import Postgres
import Synchronization

/// The declared kinds of identities, and how identities are written in this project.
public final class IdentityKinds: Sendable {
  private let db: Database
  private let settings: @Sendable () async throws -> ProjectSettings
  private let cache = Mutex<(form: IdentityForm, until: ContinuousClock.Instant)?>(nil)

  /// A change by another process is seen after at most this long.
  static let cacheFor = Duration.seconds(2)

  init(db: Database, settings: @escaping @Sendable () async throws -> ProjectSettings) {
    self.db = db
    self.settings = settings
  }

  /// Kinds and region as they are, at most two seconds old; the last known ones, or the defaults,
  /// while the database cannot say.
  func form() async -> IdentityForm {
    let known = cache.withLock { $0 }
    if let known, known.until > .now { return known.form }
    guard let region = try? await settings().region,
      let kinds = try? await db.pool.read({ try IdentityKindStore.list(in: $0).map(\.kind) })
    else { return known?.form ?? IdentityForm() }
    let form = IdentityForm(region: PhoneRegion.named(region) ?? .china, kinds: kinds)
    cache.withLock { $0 = (form, .now + Self.cacheFor) }
    return form
  }

  func list() async throws -> [StoredIdentityKind] {
    try await db.read { try IdentityKindStore.list(in: $0) }
  }

  /// Declares a kind or changes one. `external_id` stays as it is: it is what the owner's own systems
  /// call a person. 409 when users have several values of what they could have one of.
  func put(
    _ kind: IdentityKind, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (stored: StoredIdentityKind, created: Bool) {
    try caller.mustSeeEverybody(", but kinds are everybody's.")
    defer { cache.withLock { $0 = nil } }
    return try await db.write(timeout: .seconds(60)) { tx in
      try IdentityLock.holdAlone(in: tx)
      let before = try IdentityKindStore.list(in: tx).first { $0.kind == kind }
      try Precondition.check(expecting, actual: before?.version)
      try Self.check(kind, before, in: tx)
      try IdentityKindStore.save(kind, in: tx)
      guard let after = try IdentityKindStore.list(in: tx).first(where: { $0.kind == kind }) else {
        throw HeraldError(.unexpected, "The kind was not stored.")
      }
      if before?.version != after.version {
        try AuditStore.append(
          AuditEntry(
            "identity_kind.put", "identity_kind", kind.key, before: before?.json,
            after: after.json, by: caller, at: now), in: tx)
      }
      return (after, before == nil)
    }
  }

  private static func check(
    _ kind: IdentityKind, _ before: StoredIdentityKind?, in tx: Transaction
  ) throws {
    if kind == .externalID,
      kind.multiple || kind.onConflict != .conflict || kind.priority != before?.kind.priority
    {
      throw HeraldError(
        .wrongState,
        "external_id says who somebody is: its priority is fixed, a user has one, and two are two "
          + "people. Declare a kind of your own instead.")
    }
    guard let before, before.kind.multiple, !kind.multiple else { return }
    if try IdentityKindStore.hasSeveral(kind.key, in: tx) {
      throw HeraldError(
        .wrongState, "There are users with several values of '\(kind.key)'; keep it multiple.")
    }
  }
}
