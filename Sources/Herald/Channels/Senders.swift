import Foundation
import JSON
import Postgres
import Synchronization

/// What a PUT asks for: the settings and the secrets found in them.
struct SenderDraft: Sendable {
  let sender: Sender
  /// Secret fields with a value.
  let secrets: JSONObject
  /// Secret fields given as `***`: what is stored stays.
  let keptSecrets: [String]
}

/// Configured adapter accounts, and the adapters made of them.
public final class Senders: Sendable {
  let db: Database
  public let registry: AdapterRegistry
  private let secrets: SecretsKey
  /// The adapter of each sender's newest version seen. One that is replaced is let go of when its
  /// last message has ended.
  private let adapters = Mutex<[String: (version: Int, adapter: any ChannelAdapter)]>([:])

  /// How a secret shows in answers; in a PUT it means: as it is.
  static let mask = "***"

  public init(db: Database, registry: AdapterRegistry, secrets: SecretsKey) {
    self.db = db
    self.registry = registry
    self.secrets = secrets
  }

  public func get(_ key: String) async throws -> StoredSender {
    try await db.read { try SenderStore.load(key, in: $0) }
  }

  func list(_ page: PageRequest, channel: String?) async throws -> Page<StoredSender> {
    let rows = try await db.read { try SenderStore.list(page, channel: channel, in: $0) }
    return Page(rows, page) { [$0.key] }
  }

  func put(
    _ draft: SenderDraft, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (stored: StoredSender, created: Bool) {
    let key = draft.sender.key
    return try await db.write { [self] tx in
      try SenderStore.lock(key, in: tx)
      let known = try SenderStore.find(key, in: tx)
      try Precondition.check(expecting, actual: known?.version)
      if let known, known.sender.channel != draft.sender.channel {
        throw HeraldError(
          .conflict,
          "Sender '\(key)' carries \(known.sender.channel.rawValue); save one of another channel under "
            + "another key.", pointer: "/channel")
      }
      // Secrets that cannot be read any more must be given anew; what is not kept is not opened.
      let old = try known.flatMap { draft.keptSecrets.isEmpty ? nil : try open($0) }
      let secrets = try Self.secrets(of: draft, keeping: known?.sender.adapter, old)
      if let known, known.sender == draft.sender, try openOrNil(known) == secrets {
        return (known, false)
      }
      let sealed = secrets.isEmpty ? nil : try self.secrets.seal(secrets, sender: key)
      let stored = try SenderStore.save(draft.sender, secret: sealed, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "sender.put", "sender", key, before: known?.auditJSON, after: stored.auditJSON,
          by: caller, at: now), in: tx)
      return (stored, known == nil)
    }
  }

  public func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      try SenderStore.lock(key, in: tx)
      let known = try SenderStore.load(key, in: tx)
      try SenderStore.archive(key, now: now, in: tx)
      try AuditStore.append(
        AuditEntry("sender.deleted", "sender", key, before: known.auditJSON, by: caller, at: now),
        in: tx)
    }
    forget(key)
  }

  /// Stops (`.paused`) or lets on new hand-overs; other processes see it at their next look. Idempotent.
  public func setState(
    _ key: String, _ state: Sender.State, reason: String?, by caller: Caller, now: Date
  ) async throws -> StoredSender {
    try await db.write { tx in
      let known = try SenderStore.load(key, in: tx)
      let changed = try SenderStore.setState(key, state, reason: reason, now: now, in: tx)
      guard let changed else { return known }
      let action = state == .paused ? "sender.paused" : "sender.resumed"
      try AuditStore.append(
        AuditEntry(
          action, "sender", key, before: known.auditJSON, after: changed.auditJSON, by: caller,
          at: now), in: tx)
      return changed
    }
  }

  /// Hands one message over at once, past plans, caps and pace. Audited before it is sent, so that a
  /// repeat under an Idempotency-Key does not send again.
  func test(
    _ key: String, _ message: @escaping @Sendable (Sender) throws -> OutboundMessage,
    by caller: Caller, now: Date
  ) async throws -> AttemptOutcome {
    let (stored, message) = try await db.write { tx in
      let stored = try SenderStore.load(key, in: tx)
      let message = try message(stored.sender)
      try AuditStore.append(
        AuditEntry("sender.tested", "sender", key, by: caller, at: now), in: tx)
      return (stored, message)
    }
    return await (try adapter(for: stored)).send(message)
  }
}

extension Senders {
  /// The adapter of a sender as it was read, kept until a newer version of the sender is asked for.
  public func adapter(for stored: StoredSender) throws -> any ChannelAdapter {
    let known = adapters.withLock { $0[stored.key] }
    if let known, known.version == stored.version { return known.adapter }
    let adapter = try kind(of: stored).make(configuration(stored))
    return adapters.withLock { adapters in
      // Another caller may have been first, perhaps with a newer version.
      if let other = adapters[stored.key], other.version == stored.version { return other.adapter }
      if adapters[stored.key].map({ $0.version < stored.version }) ?? true {
        adapters[stored.key] = (stored.version, adapter)
      }
      return adapter
    }
  }

  public func kind(of stored: StoredSender) throws -> AdapterKind {
    guard let kind = registry[stored.sender.adapter] else {
      throw HeraldError(
        .invalid,
        "Sender '\(stored.key)' uses adapter '\(stored.sender.adapter)', which this build has not.")
    }
    return kind
  }

  /// Lets go of all adapters. No `send` may be under way.
  public func shutdown() async {
    let all = adapters.withLock { adapters in
      defer { adapters = [:] }
      return adapters.values.map(\.adapter)
    }
    for adapter in all { await adapter.shutdown() }
  }

  private func forget(_ key: String) { adapters.withLock { _ = $0.removeValue(forKey: key) } }

  private func configuration(_ stored: StoredSender) throws -> SenderConfiguration {
    var config = stored.sender.config
    for (field, value) in try open(stored) { config[field] = value }
    return SenderConfiguration(
      key: stored.key, channel: stored.sender.channel, config: .object(config),
      timeout: stored.sender.timeout.duration)
  }

  /// Throws `secretsUnreadable` when they were sealed under another key.
  func requireReadableSecrets(of stored: StoredSender) throws { _ = try open(stored) }

  private func open(_ stored: StoredSender) throws -> JSONObject {
    guard let sealed = stored.sealedSecrets else { return [:] }
    return try secrets.open(sealed, sender: stored.key)
  }

  private func openOrNil(_ stored: StoredSender) throws -> JSONObject? {
    do { return try open(stored) } catch let error as HeraldError {
      guard error.code == .secretsUnreadable else { throw error }
      return nil
    }
  }

  private static func secrets(
    of draft: SenderDraft, keeping adapter: String?, _ old: JSONObject?
  ) throws -> JSONObject {
    var secrets = draft.secrets
    for field in draft.keptSecrets {
      guard adapter == draft.sender.adapter, let value = old?[field] else {
        throw HeraldError.invalid(
          "There is no stored '\(field)' to keep; give it in full.",
          at: JSONPointer(tokens: ["config", field]))
      }
      secrets[field] = value
    }
    return secrets
  }
}
