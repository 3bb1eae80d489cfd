import Foundation
import JSON
import Postgres

/// The addresses nothing is sent to. They are everybody's, so keys with a user scope see none.
public struct Suppressions: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  func list(
    _ page: PageRequest, kind: String?, reason: String?, for caller: Caller
  ) async throws -> Page<Suppression> {
    try Self.refuseScoped(caller)
    let rows = try await db.read {
      try SuppressionStore.list(page, kind: kind, reason: reason, in: $0)
    }
    return Page(rows, page) { [$0.id.text] }
  }

  /// 404 when nothing holds the address back.
  func get(_ id: Suppression.ID, for caller: Caller) async throws -> Suppression {
    try Self.refuseScoped(caller)
    guard let found = try await db.read({ try SuppressionStore.find(id, in: $0) }) else {
      throw Self.notFound
    }
    return found
  }

  /// What became of each address: whether it is new on the list.
  func add(
    _ ids: [Suppression.ID], reason: Suppression.Reason, by caller: Caller, now: Date
  ) async throws -> [Bool] {
    try Self.refuseScoped(caller)
    return try await db.write { tx in
      var new = try SuppressionStore.insert(ids, reason: reason, now: now, in: tx)
      if !new.isEmpty {
        try AuditStore.append(
          AuditEntry(
            "suppression.added", "suppression", ids.count == 1 ? ids[0].text : "batch",
            after: ["reason": .string(reason.rawValue), "added": .int(new.count)], by: caller,
            at: now), in: tx)
      }
      return ids.map { new.remove($0) != nil }
    }
  }

  func remove(_ id: Suppression.ID, by caller: Caller, now: Date) async throws {
    try Self.refuseScoped(caller)
    try await db.write { tx in
      guard let known = try SuppressionStore.find(id, in: tx) else { throw Self.notFound }
      try SuppressionStore.delete(id, in: tx)
      try AuditStore.append(
        AuditEntry(
          "suppression.removed", "suppression", id.text,
          before: ["reason": .string(known.reason.rawValue)], by: caller, at: now), in: tx)
    }
  }

  private static let notFound = HeraldError(
    .notFound, "This address is not suppressed; check its kind and value.")

  private static func refuseScoped(_ caller: Caller) throws {
    try caller.mustSeeEverybody(", but suppressions are everybody's.")
  }
}
