import Foundation

/// Where people and messages stand: of one run, or of several together.
struct Account: Sendable, Equatable {
  struct People: Sendable, Equatable {
    var targeted = 0
    var heldOut = 0
    /// Refused at entry, by code.
    var skipped: [String: Int] = [:]
    /// On their way, and those not decided on yet.
    var active = 0
    /// Those of `active` who have entered.
    var enteredActive = 0
    var finished = 0
    var exited: [String: Int] = [:]

    var accounted: Int { heldOut + skipped.total + active + finished + exited.total }
    /// Who came past the entry.
    var entered: Int { finished + exited.total + enteredActive }
  }

  struct Step: Sendable, Equatable {
    var entered = 0
    var sent = 0
    var failed = 0
    /// By code.
    var skipped: [String: Int] = [:]
    var pending = 0
    var unknown = 0

    var accounted: Int { sent + failed + skipped.total + pending + unknown }
  }

  /// A step that sends nothing.
  struct Visits: Sendable, Equatable {
    var kind = ""
    var entered = 0
    var waiting = 0
    var passed = 0
    var failed = 0
    var exited = 0
    /// How those who left it left it: the way they took, or why they did not.
    var outcomes: [String: Int] = [:]

    var accounted: Int { waiting + passed + failed + exited }
  }

  var people = People()
  /// By step id.
  var steps: [String: Step] = [:]
  /// By step id.
  var visits: [String: Visits] = [:]
  /// By channel, then by how they ended.
  var attempts: [String: [AttemptStatus: Int]] = [:]

  static func + (left: Account, right: Account) -> Account {
    var sum = left
    sum.people += right.people
    sum.steps.merge(right.steps, uniquingKeysWith: +)
    sum.visits.merge(right.visits, uniquingKeysWith: +)
    sum.attempts.merge(right.attempts) { $0.merging($1, uniquingKeysWith: +) }
    return sum
  }

  var pending: Int { steps.values.reduce(0) { $0 + $1.pending } }
  var sent: Int { steps.values.reduce(0) { $0 + $1.sent } }
  var sentAttempts: Int { attempts.values.reduce(0) { $0 + ($1[.sent] ?? 0) } }
}

extension Account.People {
  static func += (left: inout Self, right: Self) {
    left.targeted += right.targeted
    left.heldOut += right.heldOut
    left.skipped.merge(right.skipped, uniquingKeysWith: +)
    left.active += right.active
    left.enteredActive += right.enteredActive
    left.finished += right.finished
    left.exited.merge(right.exited, uniquingKeysWith: +)
  }
}

extension Account.Step {
  static func + (left: Self, right: Self) -> Self {
    Self(
      entered: left.entered + right.entered, sent: left.sent + right.sent,
      failed: left.failed + right.failed,
      skipped: left.skipped.merging(right.skipped, uniquingKeysWith: +),
      pending: left.pending + right.pending, unknown: left.unknown + right.unknown)
  }
}

extension Account.Visits {
  static func + (left: Self, right: Self) -> Self {
    Self(
      kind: left.kind, entered: left.entered + right.entered,
      waiting: left.waiting + right.waiting, passed: left.passed + right.passed,
      failed: left.failed + right.failed, exited: left.exited + right.exited,
      outcomes: left.outcomes.merging(right.outcomes, uniquingKeysWith: +))
  }
}

extension [String: Int] {
  var total: Int { values.reduce(0, +) }
}
