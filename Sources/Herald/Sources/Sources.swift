import Foundation
import JSON
import Postgres
import Synchronization

/// Other systems that events come from, and what they send.
public final class Sources: Sendable {
  let db: Database
  let intake: SourceIntake
  let allowPrivate: Bool
  private let secrets: SecretsKey
  /// Called when a source may be due to be pulled.
  private let wake: Wake
  /// Sources as hooks see them, for a few seconds.
  let cache = Mutex<[String: (opened: OpenedSource, until: Date)]>([:])
  let refusals = Mutex<[String: (count: Int, since: Date)]>([:])
  /// Bytes of hooks being stored.
  let pending = Mutex(0)

  init(
    db: Database, secrets: SecretsKey, events: EventIntake, allowPrivate: Bool, wake: Wake
  ) {
    self.db = db
    self.secrets = secrets
    self.intake = SourceIntake(events: events)
    self.allowPrivate = allowPrivate
    self.wake = wake
  }

  func get(_ key: String) async throws -> SourceView {
    try await db.read { db in
      try Self.views([SourceStore.load(key, in: db)], in: db)[0]
    }
  }

  func list(_ page: PageRequest) async throws -> Page<SourceView> {
    let views = try await db.read { db in
      try Self.views(SourceStore.list(page, in: db), in: db)
    }
    return Page(views, page) { [$0.stored.key] }
  }

  func put(
    _ draft: SourceDraft, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (view: SourceView, created: Bool) {
    try Self.requireUnscoped(caller)
    let key = draft.source.key
    let result = try await db.write { [self] tx in
      try SourceStore.lock(key, in: tx)
      let known = try SourceStore.find(key, in: tx)
      try Precondition.check(expecting, actual: known?.version)
      // Secrets that cannot be read any more must be given anew; what is not kept is not opened.
      let old = try known.flatMap { draft.secrets.kept.isEmpty ? nil : try open($0) }
      let secrets = try Self.secrets(of: draft, keeping: old ?? [:])
      if let known, known.source == draft.source, try openOrNil(known) == secrets {
        return (try Self.views([known], in: tx)[0], false)
      }
      let stored = try save(draft.source, secrets, replacing: known, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "source.put", "source", key, before: known?.auditJSON, after: stored.auditJSON,
          by: caller, at: now), in: tx)
      return (try Self.views([stored], in: tx)[0], known == nil)
    }
    forget(key)
    wake.call()
    return result
  }

  /// A new signing secret; the one before stays good until `previousUntil`.
  func rotate(
    _ key: String, to secret: String, previousUntil: Date, by caller: Caller, now: Date
  ) async throws -> SourceView {
    try Self.requireUnscoped(caller)
    let view = try await db.write { [self] tx in
      try SourceStore.lock(key, in: tx)
      let known = try SourceStore.load(key, in: tx)
      let old = try open(known)
      var document = known.source.config
      guard var signature = document["signature"]?.objectValue,
        let present = old[SourceSignature.secretField]
      else { throw HeraldError(.wrongState, "This source has no secret to replace.") }
      signature["secret"] = .string(secret)
      signature["previous_secret"] = present
      signature["previous_secret_until"] = .instant(previousUntil)
      document["signature"] = .object(signature)
      let faults = Faults()
      guard let reader = ObjectReader(.object(document), faults: faults),
        let draft = SourceDraft(key: key, reader, allowPrivate: true), faults.isEmpty
      else {
        throw HeraldError.invalid(
          faults.all.first?.detail ?? "This secret cannot be used.",
          at: JSONPointer(tokens: ["secret"]))
      }
      let secrets = try Self.secrets(of: draft, keeping: old)
      let stored = try save(draft.source, secrets, replacing: known, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "source.rotated", "source", key,
          after: ["previous_secret_until": .instant(previousUntil)], by: caller, at: now), in: tx)
      return try Self.views([stored], in: tx)[0]
    }
    forget(key)
    return view
  }

  /// Its dead letters go too; what it brought stays.
  func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try Self.requireUnscoped(caller)
    try await db.write { tx in
      try SourceStore.lock(key, in: tx)
      let known = try SourceStore.load(key, in: tx)
      try PullStore.remove(key, in: tx)
      try DeadLetterStore.deleteAll(key, in: tx)
      try SourceStore.archive(key, now: now, in: tx)
      try AuditStore.append(
        AuditEntry("source.deleted", "source", key, before: known.auditJSON, by: caller, at: now),
        in: tx)
    }
    forget(key)
  }

  /// Makes the source due; a worker pulls it.
  func pull(_ key: String, by caller: Caller, now: Date) async throws -> SourceView {
    try Self.requireUnscoped(caller)
    let view = try await db.write { tx in
      let stored = try SourceStore.load(key, in: tx)
      guard try PullStore.makeDue(key, now: now, in: tx) else {
        throw HeraldError(.wrongState, "Source '\(key)' is not pulled; give it a `pull` first.")
      }
      try AuditStore.append(
        AuditEntry("source.pulled", "source", key, by: caller, at: now), in: tx)
      return try Self.views([stored], in: tx)[0]
    }
    wake.call()
    return view
  }

  /// What a source brings may be anybody's: a key that sees some users only has no say in it.
  static func requireUnscoped(_ caller: Caller) throws {
    guard caller.userScope == nil else {
      throw HeraldError(
        .forbidden, "A source brings events of any user; a key with a user scope may not do this.")
    }
  }

  private static func views(
    _ stored: [StoredSource], in db: any Queryable
  ) throws -> [SourceView] {
    let keys = stored.map(\.key)
    let pulls = try PullStore.find(keys, in: db)
    let counts = try DeadLetterStore.counts(keys, in: db)
    return stored.map {
      SourceView(stored: $0, pull: pulls[$0.key], deadLetters: counts[$0.key] ?? 0)
    }
  }
}

// MARK: - Secrets

extension Sources {
  func open(_ stored: StoredSource) throws -> JSONObject {
    guard let sealed = stored.sealedSecrets else { return [:] }
    return try secrets.open(sealed, source: stored.key)
  }

  private func openOrNil(_ stored: StoredSource) throws -> JSONObject? {
    do { return try open(stored) } catch let error as HeraldError {
      guard error.code == .secretsUnreadable else { throw error }
      return nil
    }
  }

  private func save(
    _ source: Source, _ secrets: JSONObject, replacing known: StoredSource?, now: Date,
    in tx: Transaction
  ) throws -> StoredSource {
    let sealed = secrets.isEmpty ? nil : try self.secrets.seal(secrets, source: source.key)
    let stored = try SourceStore.save(source, secret: sealed, now: now, in: tx)
    if let pull = source.pull {
      if known?.source.pull != pull {
        let keeps = known?.source.pull?.cursor == pull.cursor
        try PullStore.arm(source.key, keepsCursor: keeps, now: now, in: tx)
      }
    } else {
      try PullStore.remove(source.key, in: tx)
    }
    return stored
  }

  private static func secrets(
    of draft: SourceDraft, keeping old: JSONObject
  ) throws -> JSONObject {
    var secrets = draft.secrets.given
    for (name, pointer) in draft.secrets.kept {
      guard let value = old[name] else {
        throw HeraldError.invalid(
          "There is no stored secret to keep; give it in full.", at: pointer)
      }
      secrets[name] = value
    }
    return secrets
  }

  private func forget(_ key: String) { cache.withLock { _ = $0.removeValue(forKey: key) } }
}
