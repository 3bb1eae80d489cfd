import Conditions
import Foundation
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

/// The compiler's SQL and the evaluator in memory give every condition the same members.
/// HERALD_PROPERTY_COUNT conditions (2,000), from HERALD_SEED.
@Suite("Segment compiler against evaluator", .segmentDatabase)
struct SegmentPropertyTests {
  /// A common year's 1 March in the east while it is February in the west, and a leap day.
  static let instants = ["2026-03-01T04:30:00Z", "2024-02-29T12:00:00Z"]
  static let people = 40
  static let batch = 25

  @Test("Random conditions have the same members in SQL and in memory", arguments: instants)
  func sameMembers(instant: String) async throws {
    let seed = SeededRandom.seed
    print("segment property test at \(instant): HERALD_SEED=\(seed)")
    let now = try #require(Date(rfc3339: instant))
    let total = ProcessInfo.processInfo.environment["HERALD_PROPERTY_COUNT"].flatMap { Int($0) }
    let world = try await World(now: now, seed: seed)
    var generator = ConditionGenerator(random: SeededRandom(seed: seed &+ 1))
    var left = (total ?? 2000) / Self.instants.count
    var members = 0
    while left > 0 {
      let count = min(left, Self.batch)
      let conditions = try (0..<count).map { _ in try Self.parsed(generator.condition()) }
      left -= count
      let shape: SegmentCompiler.Shape = left % 2 == 0 ? .crowd : .few
      let selected = try await world.members(of: conditions, shape)
      for (condition, selected) in zip(conditions, selected) {
        let expected = Set(
          world.facts.filter { condition.holds(for: $0.value, at: now) }.keys)
        members += expected.count
        guard selected != expected else { continue }
        let person = selected.symmetricDifference(expected).first
        let facts = person.flatMap { world.facts[$0] }
        Issue.record(
          """
          HERALD_SEED=\(seed), \(shape): \(condition.json.text)
          differs for \(selected.symmetricDifference(expected).count) of \(world.facts.count), \
          in memory: \(facts.map { condition.evaluate($0, at: now).json.text } ?? "")
          \(facts.map { "\($0)" } ?? "")
          """)
        return
      }
    }
    // Conditions that are true of nobody or of everybody would prove nothing.
    let share = Double(members) / Double(Self.people * (total ?? 2000) / Self.instants.count)
    #expect((0.1...0.9).contains(share))
  }

  /// As it comes out of a document.
  private static func parsed(_ condition: Condition) throws -> Condition {
    let faults = Faults()
    let parsed = Condition.parse(condition.json, faults: faults)
    return try #require(parsed, "\(faults.all) in \(condition.json.text)")
  }
}

/// The people of one run, in the tables and as facts.
private struct World {
  let now: Date
  let closure: SegmentClosure
  let facts: [UUID: PersonFacts]

  init(now: Date, seed: UInt64) async throws {
    self.now = now
    let closure = SegmentClosure(
      conditions: [
        "inner": .any([
          .event(EventCondition(name: "order", within: .calendar(days: 2, zone: .user))),
          .segment(key: "list"),
        ]),
        "outer": .not(.segment(key: "inner")),
      ], lists: ["list": 2, "empty_list": 0])
    self.closure = closure
    // Names everything there is.
    let everything = Condition.all(
      CrowdGenerator.tags.map { .tag(TagCondition(key: $0)) }
        + CrowdGenerator.events.map { .event(EventCondition(name: $0)) }
        + CrowdGenerator.plans.map { .received(ReceivedCondition(plan: $0)) }
        + CrowdGenerator.segments.map { .segment(key: $0) })
    facts = try await TestDatabase.current.pool.write { tx in
      var crowd = CrowdGenerator(now: now, random: SeededRandom(seed: seed))
      try crowd.fill(tx, people: SegmentPropertyTests.people)
      return try SegmentFacts.load(
        users: crowd.users, needs: SegmentFacts.Needs(everything, closure: closure), now: now,
        settings: ProjectSettings(), in: tx)
    }
    #expect(facts.count == SegmentPropertyTests.people)
  }

  /// As sets of users, each condition where a statement would have it.
  func members(
    of conditions: [Condition], _ shape: SegmentCompiler.Shape
  ) async throws -> [Set<UUID>] {
    let branches = try conditions.enumerated().map { index, condition -> SQL in
      let predicate = try SegmentCompiler.predicate(
        condition, closure: closure, now: now, projectZone: ProjectSettings().timeZone,
        shape: shape)
      return "SELECT \(index) AS n, u.id FROM users AS u WHERE \(predicate)"
    }
    let statement = SQL.joined(branches, separator: " UNION ALL ").unprepared()
    return try await TestDatabase.current.pool.read { db in
      var members = [Set<UUID>](repeating: [], count: conditions.count)
      for row in try db.query(statement) {
        members[try row.get("n")].insert(try row.get("id"))
      }
      return members
    }
  }
}
