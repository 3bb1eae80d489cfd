import Foundation
import JSON
import Postgres

/// A database that came back from a backup does not know what was handed over since. It starts
/// stopped, and what may go out twice is flagged.
public struct Restorations: Sendable {
  let db: Database
  let mark: HandoverMark

  public init(db: Database, mark: HandoverMark) {
    self.db = db
    self.mark = mark
  }

  /// How the reason of the stop begins.
  static let reason = "restored"

  /// Makes audit entries sealable that were not sealed yet at the backup: they carry transaction
  /// numbers of another cluster. Needs the owner's role.
  public func adoptAudit() async throws {
    try await db.pool.write(timeout: .seconds(900)) { tx in
      try HandoverMarkStore.adoptAudit(in: tx)
    }
  }

  /// Whether the database is behind the mark; then everything is stopped in it and flagged. To be
  /// called before dispatch begins.
  public func detect(now: Date) async throws -> Bool {
    let installation = try await db.read { try HandoverMarkStore.read(in: $0).installation }
    // Before the count: other processes move both meanwhile, the database first.
    guard let known = mark.highest(of: installation),
      try await db.read({ try HandoverMarkStore.read(in: $0).count }) < known
    else { return false }
    try await begin(past: known, now: now)
    return true
  }

  /// Stops and flags in a database that was restored just now, whatever the mark says. Returns how
  /// many deliveries may go out a second time, as far as they are known by now.
  @discardableResult
  public func begin(now: Date) async throws -> Int {
    let reading = try await db.read { try HandoverMarkStore.read(in: $0) }
    return try await begin(past: mark.highest(of: reading.installation) ?? 0, now: now)
  }

  @discardableResult
  func begin(past count: Int, now: Date) async throws -> Int {
    let (reading, flagged) = try await db.pool.write(timeout: .seconds(900)) { tx in
      try HandoverMarkStore.stop(now: now, in: tx)
      let flagged = try HandoverMarkStore.flag(in: tx)
      let reading = try HandoverMarkStore.restore(past: count, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "database.restored", "database", reading.installation.text,
          after: ["possibly_duplicate": .int(flagged)], by: .herald, at: now), in: tx)
      return (reading, flagged)
    }
    _ = mark.note(reading)
    return flagged
  }

  /// What `resume` found.
  public enum Resumption: Sendable, Equatable {
    case resumed
    /// Lifted as well: what had been stopped by somebody before the backup.
    case resumedOver(String)
    /// Nothing was stopped by a restoration.
    case notStopped
  }

  /// Lifts the stop of a restoration, and only that: what waited becomes due.
  public func resume(now: Date) async throws -> Resumption {
    try await db.write { tx in
      let stop = try StopStore.list(in: tx).first { $0.scope == "all" }
      guard let stop, Self.isRestoration(by: stop.by, reason: stop.reason) else {
        return .notStopped
      }
      try StopStore.delete("all", in: tx)
      try QueueStore.unparkAll(now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "dispatch.started", "dispatch", "all",
          before: ["by": .string(stop.by), "reason": .optional(stop.reason)], by: .herald, at: now),
        in: tx)
      let reason = stop.reason ?? ""
      return reason == Self.reason
        ? .resumed : .resumedOver(String(reason.dropFirst(Self.reason.count + 2)))
    }
  }

  static func isRestoration(by principal: String, reason: String?) -> Bool {
    principal == "herald" && reason?.hasPrefix(Self.reason) ?? false
  }
}
