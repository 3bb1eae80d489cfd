import Foundation

/// The books of a plan: every run by itself, and all together.
public struct Accounting: Sendable {
  struct Entry: Sendable {
    let run: Run
    let account: Account
    /// The step everybody who comes in begins with.
    let firstStep: String?
  }

  let plan: String
  /// Newest first.
  let runs: [Entry]
  /// Of the plan's documents that have run, in their order.
  let stepOrder: [String]

  var total: Account { runs.reduce(Account()) { $0 + $1.account } }

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
