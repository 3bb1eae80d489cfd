import Conditions
import Foundation
import JSON
import Postgres

/// Named sets of users.
public struct Segments: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings
  /// How long one evaluation may take before it is refused as too expensive.
  let patience: Duration

  public init(
    db: Database, patience: Duration = .seconds(10),
    settings: @escaping @Sendable () async throws -> ProjectSettings = { ProjectSettings() }
  ) {
    self.db = db
    self.settings = settings
    self.patience = patience
  }

  public func get(_ key: String) async throws -> StoredSegment {
    try await db.read { try SegmentStore.load(key, in: $0) }
  }

  public func list(_ page: PageRequest, kind: String?) async throws -> Page<StoredSegment> {
    let rows = try await db.read { try SegmentStore.list(page, kind: kind, in: $0) }
    return Page(rows, page) { [$0.segment.key] }
  }

  /// Declares or changes a segment. 422 for names that are nothing and for a cycle, with its path.
  public func put(
    _ segment: Segment, expecting: Int?, by caller: Caller, now: Date
  ) async throws -> (stored: StoredSegment, created: Bool) {
    try await db.write { tx in
      try Self.put(segment, expecting: expecting, by: caller, now: now, in: tx)
    }
  }

  static func put(
    _ segment: Segment, expecting: Int? = nil, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> (stored: StoredSegment, created: Bool) {
    try SegmentStore.lockConditions(in: tx)
    let known = try SegmentStore.find(segment.key, in: tx)
    try Precondition.check(expecting, actual: known?.version)
    if let known, known.segment == segment { return (known, false) }
    try ScopeGround.refuse(segment: segment.key, to: caller, in: tx)
    if let known, known.segment.kind != segment.kind {
      throw HeraldError(
        .conflict,
        "Segment '\(segment.key)' is \(known.segment.kind.words) and cannot become "
          + "\(segment.kind.words); use another key, or delete it first.")
    }
    if let json = segment.condition {
      let pointer = JSONPointer.root.appending("condition")
      let condition = try Condition.stored(json)
      let faults = Faults()
      try SegmentStore.check(condition, owner: segment.key, at: pointer, faults: faults, in: tx)
      guard faults.isEmpty else { throw HeraldError.invalid(faults.all) }
      let closure = try SegmentStore.closure(
        of: condition, owner: segment.key, at: pointer, in: tx)
      // Refuses what would be too large to ask.
      _ = try SegmentCompiler.predicate(
        condition, closure: closure, now: now, projectZone: ProjectSettings().timeZone)
    }
    let stored = try SegmentStore.save(segment, now: now, in: tx)
    try SegmentStore.schedule(segment.key, at: segment.refresh.next(after: now), in: tx)
    try AuditStore.append(
      AuditEntry(
        "segment.put", "segment", segment.key, before: known?.auditJSON,
        after: stored.auditJSON, by: caller, at: now), in: tx)
    return (stored, known == nil)
  }

  /// Deletes a segment; archives it when a condition or plan still names it.
  public func delete(_ key: String, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      try SegmentStore.lockConditions(in: tx)
      let known = try SegmentStore.load(key, in: tx)
      try ScopeGround.refuse(segment: key, to: caller, in: tx)
      if try SegmentStore.isNamed(key, in: tx) {
        try SegmentStore.archive(key, now: now, in: tx)
      } else {
        try SegmentStore.delete(key, in: tx)
      }
      try AuditStore.append(
        AuditEntry("segment.deleted", "segment", key, before: known.auditJSON, by: caller, at: now),
        in: tx)
    }
  }

  /// Changes a static list in one new list version. What names nobody the caller may see is answered
  /// with its place; the others count all the same.
  public func changeMembers(
    of key: String, _ change: SegmentMemberChange, by caller: Caller, now: Date
  ) async throws -> SegmentMemberStore.Outcome {
    try await db.write { tx in
      let known = try SegmentStore.lock(key, in: tx)
      guard known.segment.kind == .list else {
        throw HeraldError(
          .wrongState, "Segment '\(key)' has a condition; only static segments have a list.")
      }
      let users = try UserScope.resolve(change.refs, for: caller, now: now, in: tx)
      let (add, remove, unknown) = change.split(users)
      let outcome = try SegmentMemberStore.change(
        key, from: known.listVersion, add: add, remove: remove, in: tx)
      try UserScope.requireInside(add + remove, for: caller, now: now, in: tx)
      let size = try SegmentMemberStore.count(key, in: tx)
      try SegmentStore.saveSize(key, size, now: now, in: tx)
      if outcome.version != known.listVersion {
        try AuditStore.append(
          AuditEntry(
            "segment.users_changed", "segment", key,
            before: ["list_version": .int(known.listVersion)],
            after: [
              "list_version": .int(outcome.version), "added": .int(outcome.added),
              "removed": .int(outcome.removed),
            ], by: caller, at: now), in: tx)
      }
      return outcome.with(unknown: unknown)
    }
  }
}

extension Segment.Kind {
  fileprivate var words: String { self == .rule ? "a rule" : "a static list" }
}
