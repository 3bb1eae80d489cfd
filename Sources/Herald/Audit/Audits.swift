import Cryptography
import Foundation
import JSON
import Postgres

/// The sealed chain over what was audited.
public struct Audits: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  /// What a check of the whole chain found.
  public struct Verification: Sendable {
    public let valid: Bool
    public let sealed: Int
    /// The hash to keep elsewhere: a tail cut off later shows by it.
    public let head: String?
    /// The first entry at fault.
    public let firstBad: Int?
    public let reason: String?
  }

  func list(
    _ page: PageRequest, subjectKind: String?, subject: String?, principal: String?
  ) async throws -> Page<JSONValue> {
    let rows = try await db.read {
      try AuditStore.list(
        page, subjectKind: subjectKind, subject: subject, principal: principal, in: $0)
    }
    return Page(rows, page) { [String($0["id"]?.intValue ?? 0)] }
  }

  /// Chains what is committed and not yet sealed; how many. One sealer at a time, any process.
  @discardableResult
  public func seal() async throws -> Int {
    try await db.pool.write { tx in
      guard
        try tx.one("SELECT pg_try_advisory_xact_lock(hashtext('herald_audit_seal'))")?.get(0)
          ?? false
      else { return 0 }
      var (position, hash) = try AuditStore.head(in: tx) ?? (0, [UInt8](repeating: 0, count: 32))
      let entries = try AuditStore.unsealed(limit: 5000, in: tx)
      guard !entries.isEmpty else { return 0 }
      let seals = entries.map { entry in
        position += 1
        hash = SHA256.hash(hash + entry.digest)
        return (position: position, entry: entry.id, hash: hash)
      }
      try AuditStore.seal(seals, in: tx)
      return seals.count
    }
  }

  /// Recomputes the chain. `expectedHead`: a head noted earlier outside the database; the chain
  /// must still contain it.
  public func verify(expectedHead: String? = nil) async throws -> Verification {
    try await db.snapshot { tx in
      var position = 0
      var hash = [UInt8](repeating: 0, count: 32)
      var headSeen = expectedHead == nil
      while true {
        let links = try AuditStore.chain(after: position, limit: 5000, in: tx)
        if links.isEmpty { break }
        for link in links {
          guard link.position == position + 1 else {
            return .bad(link.entry, "A seal is missing before position \(link.position).", position)
          }
          guard let digest = link.digest else {
            return .bad(link.entry, "The entry was deleted.", position)
          }
          hash = SHA256.hash(hash + digest)
          guard hash == link.hash else {
            return .bad(link.entry, "The entry or its seal was altered.", position)
          }
          position = link.position
          if Hex.encode(hash) == expectedHead { headSeen = true }
        }
      }
      if let stray = try AuditStore.unsealedBehindHead(in: tx) {
        return .bad(stray, "The entry was never sealed.", position)
      }
      guard headSeen else {
        return Verification(
          valid: false, sealed: position, head: position == 0 ? nil : Hex.encode(hash),
          firstBad: nil, reason: "The head given is no longer in the chain: its tail was cut.")
      }
      return Verification(
        valid: true, sealed: position, head: position == 0 ? nil : Hex.encode(hash),
        firstBad: nil, reason: nil)
    }
  }
}

extension Audits.Verification {
  fileprivate static func bad(_ entry: Int, _ reason: String, _ sealed: Int) -> Self {
    Self(valid: false, sealed: sealed, head: nil, firstBad: entry, reason: reason)
  }
}
