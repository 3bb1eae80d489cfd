import Foundation
import Postgres

/// The caps of the installation: they hold for every marketing plan from the moment they are put.
public struct Caps: Sendable {
  let db: Database

  func get(_ key: String) async throws -> StoredCap {
    try await db.read { try CapStore.load(key, in: $0) }
  }

  func list() async throws -> [StoredCap] {
    try await db.read { try CapStore.list(in: $0) }
  }

  /// Makes or changes a cap. What allows more than before is for an admin. `expecting`: the version
  /// of If-Match.
  func put(
    _ cap: Cap, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (stored: StoredCap, created: Bool) {
    try Self.refuseScoped(caller)
    return try await db.write { tx in
      try CapStore.lock(in: tx)
      let known = try CapStore.find(cap.key, in: tx)
      try Precondition.check(expecting, actual: known?.version)
      if let known, known.cap == cap { return (known, false) }
      if let known, !cap.isAsTight(as: known.cap), caller.role != .admin {
        throw HeraldError(
          .forbidden,
          "Only an admin may change a cap so that it allows more; make it tighter, or ask an admin."
        )
      }
      let stored = try CapStore.save(cap, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "cap.put", "cap", cap.key, before: known?.cap.json, after: cap.json, by: caller, at: now),
        in: tx)
      return (stored, known == nil)
    }
  }

  func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try Self.refuseScoped(caller)
    try await db.write { tx in
      try CapStore.lock(in: tx)
      let known = try CapStore.load(key, in: tx)
      try CapStore.delete(key, in: tx)
      try AuditStore.append(
        AuditEntry("cap.deleted", "cap", key, before: known.cap.json, by: caller, at: now), in: tx)
    }
  }

  private static func refuseScoped(_ caller: Caller) throws {
    try caller.mustSeeEverybody(", but caps are everybody's.")
  }
}
