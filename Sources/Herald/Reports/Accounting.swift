import Foundation

/// The books of a plan: every run by itself, and all together.
public struct Accounting: Sendable {
  struct Entry: Sendable {
    let run: Run
    let account: Account
    /// The step everybody who comes in begins with.
    let firstStep: String?
    /// By arm, where the run's version has an experiment: `targeted` are those assigned to it.
    var arms: [String: Account] = [:]
    var hasExperiment = false
  }

  let plan: String
  /// Newest first.
  let runs: [Entry]
  /// Of the plan's documents that have run, in their order.
  let stepOrder: [String]

  var total: Account { runs.reduce(Account()) { $0 + $1.account } }
  var arms: [String: Account] {
    runs.reduce(into: [:]) { $0.merge($1.arms, uniquingKeysWith: +) }
  }

  /// What does not add up, in words; empty when everything does.
  public var imbalances: [String] {
    runs.flatMap { $0.imbalances } + BalanceRule.sums(total).map { "all runs: \($0)" }
  }
}

extension Accounting.Entry {
  fileprivate var imbalances: [String] {
    let found =
      BalanceRule.sums(account) + BalanceRule.entry(account, run: run, firstStep: firstStep)
      + BalanceRule.completion(account, run: run)
      + (hasExperiment ? BalanceRule.arms(arms, of: account) : [])
    return found.map { "run \(run.id.text): \($0)" }
  }
}

/// The equations that hold at every instant. Each side is counted from rows of its own, so that a
/// lost or doubled row shows.
enum BalanceRule {
  /// `targeted` comes from the frozen audience, the rest from enrolments; `entered` counts a step's
  /// deliveries, the rest their states; what was sent needs an attempt that sent it.
  static func sums(_ account: Account) -> [String] {
    var found: [String] = []
    let people = account.people
    if people.targeted != people.accounted {
      found.append("\(people.targeted) people were targeted, \(people.accounted) are accounted for")
    }
    for (id, step) in account.steps.sorted(by: { $0.key < $1.key })
    where step.entered != step.accounted {
      found.append("step \(id) was entered \(step.entered) times, \(step.accounted) accounted for")
    }
    for (id, step) in account.visits.sorted(by: { $0.key < $1.key })
    where step.entered != step.accounted {
      found.append("step \(id) was entered \(step.entered) times, \(step.accounted) accounted for")
    }
    if account.sent > account.sentAttempts {
      found.append("\(account.sent) deliveries were sent by \(account.sentAttempts) attempts")
    }
    return found
  }

  /// In a run of a crowd whoever came in has come to the first step.
  static func entry(_ account: Account, run: Run, firstStep: String?) -> [String] {
    guard !run.isStream, let firstStep else { return [] }
    let began = account.steps[firstStep]?.entered ?? account.visits[firstStep]?.entered ?? 0
    guard began != account.people.entered else { return [] }
    return ["\(account.people.entered) people came in, \(began) began with step \(firstStep)"]
  }

  /// Whoever came in is in one arm, and each arm's deliveries add up.
  static func arms(_ arms: [String: Account], of account: Account) -> [String] {
    let assigned = arms.values.reduce(0) { $0 + $1.people.targeted }
    var found =
      assigned == account.people.entered
      ? [] : ["\(account.people.entered) people came in, \(assigned) are in an arm"]
    for (key, arm) in arms.sorted(by: { $0.key < $1.key }) {
      if arm.people.targeted != arm.people.accounted {
        found.append(
          "arm \(key): \(arm.people.targeted) people, \(arm.people.accounted) accounted for")
      }
      for (step, counts) in arm.steps.sorted(by: { $0.key < $1.key })
      where counts.entered != counts.accounted {
        found.append("arm \(key): step \(step) was entered \(counts.entered) times")
      }
    }
    return found
  }

  /// "A run is completed only when nobody is active and nothing is pending."
  static func completion(_ account: Account, run: Run) -> [String] {
    let waiting = account.visits.values.reduce(0) { $0 + $1.waiting }
    guard run.state == .completed, account.people.active + account.pending + waiting > 0 else {
      return []
    }
    return [
      "it is completed with \(account.people.active) people active, \(account.pending) "
        + "deliveries pending and \(waiting) people waiting"
    ]
  }
}
