import Foundation
import JSON
import Postgres

/// What became of plans, counted from rows at one instant.
public struct Reports: Sendable {
  let db: Database
  let settings: @Sendable () async throws -> ProjectSettings
  let wake: Wake

  /// Counting a run of millions takes longer than other requests may.
  static let patience = Duration.seconds(60)

  /// `wake` is called when a retry has made something due.
  public init(
    db: Database,
    settings: @escaping @Sendable () async throws -> ProjectSettings = { ProjectSettings() },
    wake: Wake = Wake()
  ) {
    self.db = db
    self.settings = settings
    self.wake = wake
  }

  /// The books of a plan, all from one snapshot. Three passes over the plan's enrolments,
  /// deliveries and attempts.
  public func accounting(
    _ plan: String, for caller: Caller, now: Date
  ) async throws -> Accounting {
    try await snapshot(caller, now) { scope, tx in
      _ = try PlanStore.load(plan, in: tx)
      return try Accounting(plan, scope: scope, in: tx)
    }
  }

  func snapshot<T: Sendable>(
    _ caller: Caller, _ now: Date,
    _ body: @escaping @Sendable (ReportScope, Transaction) throws -> T
  ) async throws -> T {
    let zone = try await settings().timeZone
    return try await db.pool.snapshot(timeout: Self.patience) { tx in
      let scope = try ReportScope(caller, projectZone: zone, now: now, in: tx)
      return try body(scope, tx)
    }
  }
}

extension Accounting {
  /// `tx` must be a snapshot, or the levels would not agree. `run`: that one alone. `peopleOnly`
  /// leaves the deliveries uncounted.
  init(
    _ plan: String, scope: ReportScope, run: UUID? = nil, peopleOnly: Bool = false,
    in tx: Transaction
  ) throws {
    let runs = try AccountingStore.runs(plan, in: tx).filter { run == nil || $0.id == run }
    let ids = runs.map(\.id)
    var accounts: [UUID: Account] = [:]
    if !ids.isEmpty {
      try Self.countPeople(runs, scope, into: &accounts, in: tx)
      if !peopleOnly { try Self.countDeliveries(ids, scope, into: &accounts, in: tx) }
    }
    let experimenting = try AccountingStore.experimenting(plan, in: tx)
    let trying = runs.filter { experimenting.contains($0.planVersion) }.map(\.id)
    let arms =
      trying.isEmpty || peopleOnly ? [:] : try Self.countArms(trying, scope, in: tx)
    let steps = try AccountingStore.steps(plan, versions: Set(runs.map(\.planVersion)), in: tx)
    var order: [String] = []
    for (_, ofVersion) in steps.sorted(by: { $0.key > $1.key }) {
      order += ofVersion.map(\.id).filter { !order.contains($0) }
    }
    self.plan = plan
    stepOrder = order
    self.runs = runs.map { run in
      let ofVersion = steps[run.planVersion] ?? []
      var account = accounts[run.id] ?? Account()
      for (id, kind) in ofVersion {
        if kind?.delivers ?? false {
          account.steps[id, default: Account.Step()].entered += 0
        } else if let kind {
          account.visits[id, default: Account.Visits()].kind = kind.rawValue
        }
      }
      return Entry(
        run: run, account: account,
        firstStep: ofVersion.first?.id, arms: arms[run.id] ?? [:],
        hasExperiment: !peopleOnly && experimenting.contains(run.planVersion))
    }
  }

  private static func countArms(
    _ runs: [UUID], _ scope: ReportScope, in tx: Transaction
  ) throws -> [UUID: [String: Account]] {
    var arms: [UUID: [String: Account]] = [:]
    for (arm, row) in try AccountingStore.people(byArmOf: runs, scope: scope, in: tx) {
      arms[row.run, default: [:]][arm, default: Account()].people.targeted += row.count
      arms[row.run]?[arm]?.people.add(row)
    }
    for (arm, row) in try AccountingStore.deliveries(byArmOf: runs, scope: scope, in: tx) {
      arms[row.run, default: [:]][arm, default: Account()].steps[row.step, default: .init()]
        .add(row)
    }
    return arms
  }

  private static func countPeople(
    _ runs: [Run], _ scope: ReportScope, into accounts: inout [UUID: Account], in tx: Transaction
  ) throws {
    let ids = runs.map(\.id)
    let targeted = scope.isEverybody ? nil : try AccountingStore.targeted(ids, scope: scope, in: tx)
    let undecided = try AccountingStore.undecided(
      runs.filter { !$0.openLanes.isEmpty }.map(\.id), scope: scope, in: tx)
    for run in runs {
      var people = Account.People()
      people.targeted = targeted.map { $0[run.id] ?? 0 } ?? run.targeted
      let waiting = undecided[run.id] ?? 0
      if run.state == .cancelled, waiting > 0 {
        // Nobody will decide on them any more.
        people.skipped[SkipCode.cancelled.rawValue] = waiting
      } else {
        people.active = waiting
      }
      accounts[run.id, default: Account()].people = people
    }
    for row in try AccountingStore.people(ids, scope: scope, in: tx) {
      accounts[row.run]?.people.add(row)
    }
    for run in runs where run.isStream {
      // Nobody was chosen beforehand: who asked to enter is who was targeted.
      let asked = accounts[run.id]?.people.accounted ?? 0
      accounts[run.id]?.people.targeted = asked
    }
  }

  private static func countDeliveries(
    _ runs: [UUID], _ scope: ReportScope, into accounts: inout [UUID: Account],
    in tx: Transaction
  ) throws {
    for row in try AccountingStore.deliveries(runs, scope: scope, in: tx) {
      accounts[row.run]?.steps[row.step, default: Account.Step()].add(row)
    }
    for row in try AccountingStore.visits(runs, scope: scope, in: tx) {
      accounts[row.run]?.visits[row.step, default: Account.Visits()].add(row)
    }
    for row in try AccountingStore.attempts(runs, scope: scope, in: tx) {
      guard let status = row.status else { continue }
      accounts[row.run]?.attempts[row.channel, default: [:]][status, default: 0] += row.count
    }
  }
}

extension Account.People {
  fileprivate mutating func add(_ row: AccountingStore.People) {
    switch row.state {
    case "held_out": heldOut += row.count
    case "skipped": skipped[row.reason ?? "unknown", default: 0] += row.count
    case "active":
      active += row.count
      enteredActive += row.count
    case "finished": finished += row.count
    case "exited": exited[row.reason ?? "unknown", default: 0] += row.count
    default: break
    }
  }
}

extension Account.Visits {
  fileprivate mutating func add(_ row: AccountingStore.Visits) {
    kind = row.kind
    entered += row.count
    switch row.state {
    case .waiting: waiting += row.count
    case .passed: passed += row.count
    case .failed: failed += row.count
    case .exited: exited += row.count
    case nil: break
    }
    if let outcome = row.outcome { outcomes[outcome, default: 0] += row.count }
  }
}

extension Account.Step {
  fileprivate mutating func add(_ row: AccountingStore.Deliveries) {
    entered += row.count
    switch row.status {
    case .sent: sent += row.count
    case .failed: failed += row.count
    case .skipped: skipped[row.code ?? "unknown", default: 0] += row.count
    case .pending: pending += row.count
    case .unknown: unknown += row.count
    case nil: break
    }
  }
}
