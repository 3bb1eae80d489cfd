import Conditions
import Foundation
import JSON
import Postgres

/// Questions about who is in a segment. Each is one snapshot of the database, under a time limit, and
/// within the caller's user scope.
extension Segments {
  public struct Preview: Sendable {
    let crowd: SegmentCrowdStore.Preview
    let took: Duration
  }

  /// `condition` was parsed at `pointer` of the request.
  public func preview(
    _ condition: Condition, at pointer: JSONPointer, by caller: Caller, now: Date
  ) async throws -> Preview {
    let start = ContinuousClock.now
    let crowd = try await evaluating { tx, settings in
      let faults = Faults()
      try SegmentStore.check(condition, at: pointer, faults: faults, in: tx)
      guard faults.isEmpty else { throw HeraldError.invalid(faults.all) }
      let closure = try SegmentStore.closure(of: condition, at: pointer, in: tx)
      let audience = Audience(condition: condition, closure: closure)
      return try SegmentCrowdStore.preview(
        audience.predicate(caller, settings, now: now, in: tx),
        channels: Condition.channels.map { channel in
          let reaches = try SegmentCompiler.predicate(
            .reachable(channel: channel), closure: .empty, now: now,
            projectZone: settings.timeZone, unknown: settings.unknownConsent)
          return (channel: channel, predicate: reaches)
        }, in: tx)
    }
    return Preview(crowd: crowd, took: ContinuousClock.now - start)
  }

  /// The members, oldest user first; a rule is evaluated as of now.
  public func users(
    of key: String, _ page: PageRequest, by caller: Caller, now: Date
  ) async throws -> Page<User> {
    let users = try await evaluating { tx, settings in
      let predicate = try Audience(key, in: tx).predicate(caller, settings, now: now, in: tx)
      return try UserStore.list(page, filter: predicate, now: now, in: tx)
    }
    return Page(users, page) { UserPosition($0).values }
  }

  /// Counts the members anew and remembers how many there are.
  public func refresh(_ key: String, by caller: Caller, now: Date) async throws -> StoredSegment {
    let size = try await evaluating { tx, settings in
      // Everybody's size: it is kept with the segment, not for one caller.
      let predicate = try Audience(key, in: tx).predicate(.herald, settings, now: now, in: tx)
      return try SegmentCrowdStore.count(predicate, in: tx)
    }
    return try await db.write { tx in
      try SegmentStore.saveSize(key, size, now: now, in: tx)
      return try SegmentStore.load(key, in: tx)
    }
  }

  func insight(
    _ key: String, by dimension: SegmentCrowdStore.Dimension, by caller: Caller, now: Date
  ) async throws -> SegmentInsight {
    try await evaluating { tx, settings in
      let predicate = try Audience(key, in: tx).predicate(caller, settings, now: now, in: tx)
      return SegmentInsight(
        rows: try SegmentCrowdStore.insight(predicate, by: dimension, now: now, in: tx),
        total: try SegmentCrowdStore.count(predicate, in: tx))
    }
  }

  /// Whether and why a user is in a segment: the tree of its condition with the truth of every node,
  /// and at the leaves what was seen. The user must be one the caller may see.
  public func explain(user: UUID, segment key: String, now: Date) async throws -> JSONValue {
    try await evaluating { tx, settings in
      let audience = try Audience(key, in: tx)
      let needs = SegmentFacts.Needs(audience.condition, closure: audience.closure)
      let facts = try SegmentFacts.load(
        user: user, needs: needs, now: now, settings: settings, in: tx)
      guard let facts else { throw UserRef.notFound }
      let evaluation = audience.condition.evaluate(facts, at: now)
      return [
        "user": .id(user), "segment": .string(key), "member": .bool(evaluation.isTrue),
        "condition": evaluation.json,
      ]
    }
  }

  /// Brings every tag with a rule up to date; see `RuleTags`.
  public func refreshRuleTags(now: Date) async throws -> [RuleTags.Outcome] {
    try await RuleTags.refresh(db, now: now, settings: settings())
  }

  /// A condition with what it refers to.
  struct Audience {
    let condition: Condition
    let closure: SegmentClosure

    init(condition: Condition, closure: SegmentClosure) {
      self.condition = condition
      self.closure = closure
    }

    /// The members of a segment; a static list is the condition that names it.
    init(_ key: String, in tx: Transaction) throws {
      let stored = try SegmentStore.load(key, in: tx)
      condition = try stored.segment.condition.map(Condition.stored) ?? .segment(key: key)
      closure = try SegmentStore.closure(of: condition, in: tx)
    }

    func predicate(
      _ caller: Caller, _ settings: ProjectSettings, now: Date, in tx: Transaction
    ) throws -> SQL {
      let members = try SegmentCompiler.predicate(
        condition, closure: closure, now: now, projectZone: settings.timeZone,
        unknown: settings.unknownConsent, moving: EventHistory.isMoving(in: tx))
      let scope = try UserScope.predicate(
        caller, now: now, projectZone: settings.timeZone, in: tx)
      return "(\(members)) AND (\(scope))"
    }
  }

  /// 422 `segment_too_expensive` when the time is up.
  private func evaluating<T: Sendable>(
    _ body: @escaping @Sendable (Transaction, ProjectSettings) throws -> T
  ) async throws -> T {
    let settings = try await settings()
    do {
      return try await db.pool.snapshot(timeout: patience) { tx in
        try SegmentCrowdStore.prepare(tx)
        return try body(tx, settings)
      }
    } catch let error as PostgresError {
      if error.kind == .timeout { throw HeraldError.segmentTooExpensive }
      // statement_too_complex, too_many_columns and their kind.
      if error.sqlState?.hasPrefix("54") ?? false { throw HeraldError.segmentTooLarge }
      throw error
    }
  }
}

/// How a segment's members split by one value.
struct SegmentInsight: Sendable {
  /// Most first; nil is absent.
  let values: [(value: JSONValue?, count: Int)]
  let total: Int
  /// Members with values beyond those listed.
  let others: Int

  init(rows: [(value: JSONValue?, count: Int)], total: Int) {
    values = Array(rows.prefix(SegmentCrowdStore.insightRows))
    self.total = total
    others = max(0, total - values.reduce(0) { $0 + $1.count })
  }
}
