import Conditions
import Foundation
import JSON
import Postgres

/// The tag catalogue, and tags on users.
public struct Tags: Sendable {
  let db: Database

  public init(db: Database) { self.db = db }

  public func get(_ key: String) async throws -> StoredTag {
    try await db.read { try TagStore.load(key, in: $0) }
  }

  public func list(_ page: PageRequest, category: String?) async throws -> Page<StoredTag> {
    let rows = try await db.read { try TagStore.list(page, category: category, in: $0) }
    return Page(rows, page) { [$0.tag.key] }
  }

  /// Declares or changes a tag. `expecting`: the version of If-Match, 412 when it is another. 422 for
  /// operands of its rule that do not fit what is declared or was seen.
  public func put(
    _ tag: Tag, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (stored: StoredTag, created: Bool) {
    try await db.write { tx in
      try Self.put(tag, expecting: expecting, by: caller, now: now, in: tx)
    }
  }

  static func put(
    _ tag: Tag, expecting: Int? = nil, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> (stored: StoredTag, created: Bool) {
    try TagStore.lock(tag.key, in: tx)
    let known = try TagStore.find(tag.key, in: tx)
    try Precondition.check(expecting, actual: known?.version)
    if let known, known.tag == tag { return (known, false) }
    try ScopeGround.refuse(tag: tag.key, to: caller, in: tx)
    if let rule = try tag.rule.map(Condition.stored) {
      let faults = Faults()
      try ConditionTypes.check([(JSONPointer(tokens: ["rule"]), rule)], faults: faults, in: tx)
      guard faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    }
    let stored = try TagStore.save(tag, now: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "tag.put", "tag", tag.key, before: known?.auditJSON, after: stored.auditJSON,
        by: caller, at: now), in: tx)
    return (stored, known == nil)
  }

  /// Deletes a tag; archives it when users have it.
  public func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      try TagStore.lock(key, in: tx)
      let known = try TagStore.load(key, in: tx)
      try ScopeGround.refuse(tag: key, to: caller, in: tx)
      if try TagStore.isInUse(key, in: tx) {
        try TagStore.archive(key, now: now, in: tx)
      } else {
        try TagStore.delete(key, in: tx)
      }
      try AuditStore.append(
        AuditEntry("tag.deleted", "tag", key, before: known.auditJSON, by: caller, at: now),
        in: tx)
    }
  }
}
