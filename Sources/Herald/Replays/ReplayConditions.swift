import Conditions
import Foundation
import JSON
import Postgres

/// Asks whether conditions held of people at past instants, each question once. Events count as of
/// then; attributes, tags and consents are those of now.
final class ReplayConditions {
  private struct Moment: Hashable {
    let condition: String
    let user: UUID
    let at: Date
  }

  private let plan: ApprovedPlan
  private let project: ProjectSettings
  private let people: [UUID]
  private let tx: Transaction
  private var timeless: [String: Set<UUID>] = [:]
  private var moments: [Moment: Bool] = [:]

  init(_ plan: ApprovedPlan, _ project: ProjectSettings, people: [UUID], in tx: Transaction) {
    self.plan = plan
    self.project = project
    self.people = people
    self.tx = tx
  }

  /// A condition of a step, or of who belongs to the plan.
  func holds(_ condition: Condition, _ user: UUID, at: Date) throws -> Bool {
    try ask("step", condition, user, at) {
      try plan.asked(condition, now: at, project, in: tx)
    }
  }

  /// The audience, as entry asks for it.
  func fits(_ condition: Condition, _ user: UUID, at: Date) throws -> Bool {
    try ask("entry", condition, user, at) {
      try plan.predicate(condition, now: at, project, .few, in: tx)
    }
  }

  private func ask(
    _ kind: String, _ condition: Condition, _ user: UUID, _ at: Date, _ predicate: () throws -> SQL
  ) throws -> Bool {
    let name = "\(kind) \(condition.json.text)"
    if let known = timeless[name] { return known.contains(user) }
    if isTimeless(condition) {
      let found = try JourneyStore.holding(predicate(), of: people, in: tx)
      timeless[name] = found
      return found.contains(user)
    }
    let moment = Moment(condition: name, user: user, at: at)
    if let known = moments[moment] { return known }
    let answer = try JourneyStore.holding(predicate(), of: [user], in: tx).contains(user)
    moments[moment] = answer
    return answer
  }

  private func isTimeless(_ condition: Condition) -> Bool {
    let named = condition.referenced
    return named.events.isEmpty && named.plans.isEmpty && named.segments.isEmpty
      && !condition.dependsOnTime
  }
}
