import Foundation
import Postgres

/// Declared attributes: their type and what becomes of them in a merge.
struct Attributes: Sendable {
  let db: Database

  func list() async throws -> [StoredAttribute] {
    try await db.read { try AttributeStore.list(in: $0) }
  }

  func get(_ key: String) async throws -> StoredAttribute {
    guard let stored = try await list().first(where: { $0.key.utf8.elementsEqual(key.utf8) })
    else { throw HeraldError.notFound("attribute", key) }
    return stored
  }

  /// Holds for what is written and merged from here on; what is there stays as it is.
  func put(
    _ key: String, type: AttributeType?, merge: AttributeRule, expecting: Int?, by caller: Caller,
    now: Date
  ) async throws -> (stored: StoredAttribute, created: Bool) {
    try await db.write { tx in
      try AttributeStore.lock(in: tx)
      let before = try AttributeStore.list(in: tx).first { $0.key.utf8.elementsEqual(key.utf8) }
      try Precondition.check(expecting, actual: before?.version)
      try AttributeStore.save(key, type: type, merge: merge, now: now, in: tx)
      guard
        let after = try AttributeStore.list(in: tx).first(where: {
          $0.key.utf8.elementsEqual(key.utf8)
        })
      else { throw HeraldError(.unexpected, "The attribute was not stored.") }
      if before?.version != after.version {
        try AuditStore.append(
          AuditEntry(
            "attribute.put", "attribute", key, before: before?.json, after: after.json,
            by: caller, at: now), in: tx)
      }
      return (after, before == nil)
    }
  }
}
