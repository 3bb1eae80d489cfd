import Conditions
import Foundation
import JSON
import Postgres

/// Tags that are set by rule: each refresh sets them on the users for whom the rule is true and takes
/// them from the others. A tag that somebody set by hand, import or API is left alone.
public enum RuleTags {
  /// How one tag fared.
  public struct Outcome: Sendable {
    public let tag: String
    public let set: Int
    public let removed: Int
    /// Why the rule could not be evaluated; the tag is then as it was.
    public let problem: String?
  }

  /// Evaluates every rule, each in a transaction of its own under a time limit; one that fails does
  /// not hold up the others. Rules that name other rule tags come after them, as far as that is
  /// possible; what a circle of rules leaves behind follows at the next refresh.
  public static func refresh(
    _ db: Database, now: Date, settings: ProjectSettings = ProjectSettings(),
    patience: Duration = .seconds(60)
  ) async throws -> [Outcome] {
    let rules = try await db.read { try TagStore.rules(in: $0) }
    var outcomes: [Outcome] = []
    for rule in ordered(rules) {
      outcomes.append(try await refresh(rule, db, now: now, settings, patience))
    }
    return outcomes
  }

  private static func refresh(
    _ rule: TagRule, _ db: Database, now: Date, _ settings: ProjectSettings, _ patience: Duration
  ) async throws -> Outcome {
    do {
      return try await db.pool.write(timeout: patience) { tx in
        try TagStore.lock(rule.tag, in: tx)
        // It may have been changed or archived since the rules were read.
        guard let current = try TagStore.find(rule.tag, in: tx)?.tag.rule else {
          return Outcome(tag: rule.tag, set: 0, removed: 0, problem: nil)
        }
        let condition = try Condition.stored(current)
        let closure = try SegmentStore.closure(of: condition, in: tx)
        let predicate = try SegmentCompiler.predicate(
          condition, closure: closure, now: now, projectZone: settings.timeZone,
          unknown: settings.unknownConsent, moving: EventHistory.isMoving(in: tx))
        let (set, removed) = try TagStore.apply(
          rule: predicate, tag: rule.tag, now: now, in: tx)
        return Outcome(tag: rule.tag, set: set, removed: removed, problem: nil)
      }
    } catch let error as HeraldError {
      return Outcome(tag: rule.tag, set: 0, removed: 0, problem: error.message)
    } catch let error as PostgresError where error.kind == .timeout {
      return Outcome(
        tag: rule.tag, set: 0, removed: 0, problem: HeraldError.segmentTooExpensive.message)
    }
  }

  /// Those that others name first.
  static func ordered(_ rules: [TagRule]) -> [TagRule] {
    var ordered: [TagRule] = []
    var visited: Set<String> = []
    func visit(_ rule: TagRule) {
      guard visited.insert(rule.tag).inserted else { return }
      for inner in rules where rule.condition.referenced.tags.contains(inner.tag) { visit(inner) }
      ordered.append(rule)
    }
    for rule in rules { visit(rule) }
    return ordered
  }
}

/// A tag of the catalogue with the rule that sets it.
struct TagRule: Sendable {
  let tag: String
  let condition: Condition
}
