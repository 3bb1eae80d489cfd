import Cryptography
import Foundation
import JSON
import Postgres
import Synchronization

/// The settings of the installation, and the changes of them that wait for a second person.
public final class Settings: Sendable {
  private let db: Database
  private let cache = Mutex<(settings: ProjectSettings, until: ContinuousClock.Instant)?>(nil)

  /// A change by another process is seen after at most this long.
  static let cacheFor = Duration.seconds(2)

  public init(db: Database) { self.db = db }

  /// What holds now, at most two seconds old.
  public func current() async throws -> ProjectSettings {
    if let known = cache.withLock({ $0 }), known.until > .now { return known.settings }
    let loaded = try await db.pool.read { try SettingsStore.load(in: $0) }.settings
    remember(loaded)
    return loaded
  }

  func load() async throws -> StoredSettings {
    try await db.read { try SettingsStore.load(in: $0) }
  }

  /// What became of a wish to change the settings.
  enum Change: Sendable {
    case made(StoredSettings)
    /// Somebody else must confirm it.
    case proposed(SettingsProposal, changes: JSONValue)
  }

  /// Changes the settings, or proposes it where more than one principal could decide on that.
  /// Settings that are so already are not proposed. `expecting`: the version of If-Match.
  func put(
    _ settings: ProjectSettings, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> Change {
    try caller.mustSeeEverybody(", but the settings are everybody's.")
    let change = try await db.write { tx -> Change in
      try SettingsStore.lock(in: tx)
      let known = try SettingsStore.load(in: tx)
      try Precondition.check(expecting, actual: known.version)
      if known.settings == settings { return .made(known) }
      if try SettingsStore.deciders(now: now, in: tx) > 1 {
        let id = UUIDv7.next(now: now)
        try SettingsStore.insert(id, settings, base: known.version, by: caller, now: now, in: tx)
        try Self.audit("settings.proposed", id, known.settings, settings, caller, now, in: tx)
        let proposal = try SettingsStore.proposal(id, in: tx)
        return .proposed(proposal, changes: Self.changes(proposal, known))
      }
      try SettingsStore.supersede(now: now, in: tx)
      try SettingsStore.save(settings, version: known.version + 1, now: now, in: tx)
      try Self.audit("settings.put", nil, known.settings, settings, caller, now, in: tx)
      return .made(try SettingsStore.load(in: tx))
    }
    if case .made(let stored) = change { remember(stored.settings) }
    return change
  }

  /// Makes a proposed change. 403 for who proposed it, with every key of theirs and every key they
  /// made; 409 when the settings have changed since.
  func confirm(_ id: UUID, by caller: Caller, now: Date) async throws -> StoredSettings {
    try caller.mustSeeEverybody(", but the settings are everybody's.")
    let stored = try await db.write { tx in
      try SettingsStore.lock(in: tx)
      let proposal = try SettingsStore.proposal(id, in: tx)
      let known = try SettingsStore.load(in: tx)
      guard proposal.state == .pending, proposal.baseVersion == known.version else {
        throw HeraldError(
          .wrongState,
          "This proposal is \(proposal.state == .pending ? "outdated" : proposal.state.rawValue); "
            + "PUT the settings again.")
      }
      try caller.mustBeNone(
        of: [proposal.proposedBy],
        "Whoever proposed a change of the settings cannot confirm it, with none of their keys and "
          + "no key they made. An admin or approver confirms whose key somebody else made: another "
          + "admin by POST /v1/keys, or `herald keys create` on the server.", in: tx)
      try SettingsStore.save(proposal.settings, version: known.version + 1, now: now, in: tx)
      try SettingsStore.confirm(id, by: caller, now: now, in: tx)
      try Self.audit(
        "settings.confirmed", id, known.settings, proposal.settings, caller, now, in: tx)
      return try SettingsStore.load(in: tx)
    }
    remember(stored.settings)
    return stored
  }

  /// Those that may be confirmed tell what that would change.
  func proposals(
    _ page: PageRequest, state: String?
  ) async throws -> Page<(proposal: SettingsProposal, changes: JSONValue)> {
    let (rows, known) = try await db.read {
      (try SettingsStore.proposals(page, state: state, in: $0), try SettingsStore.load(in: $0))
    }
    return Page(rows.map { ($0, Self.changes($0, known)) }, page) { [$0.proposal.id.text] }
  }

  private static func changes(_ proposal: SettingsProposal, _ known: StoredSettings) -> JSONValue {
    guard proposal.state == .pending, proposal.baseVersion == known.version else { return [] }
    return ManifestDiff.between(known.settings.json, proposal.settings.json)
  }

  private func remember(_ settings: ProjectSettings) {
    cache.withLock { $0 = (settings, .now + Self.cacheFor) }
  }

  private static func audit(
    _ action: String, _ proposal: UUID?, _ before: ProjectSettings, _ after: ProjectSettings,
    _ caller: Caller, _ now: Date, in tx: Transaction
  ) throws {
    try AuditStore.append(
      AuditEntry(
        action, "settings", proposal?.text ?? "settings", before: before.json, after: after.json,
        by: caller, at: now), in: tx)
  }
}
