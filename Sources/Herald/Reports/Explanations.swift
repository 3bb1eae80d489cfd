import Conditions
import Foundation
import JSON
import Postgres

/// Why a person got what they got, and did not get what they did not.
public struct Explanations: Sendable {
  let db: Database
  let segments: Segments
  let settings: @Sendable () async throws -> ProjectSettings

  public init(
    db: Database, segments: Segments,
    settings: @escaping @Sendable () async throws -> ProjectSettings = { ProjectSettings() }
  ) {
    self.db = db
    self.segments = segments
    self.settings = settings
  }

  /// Every decision of a plan about a person, from the rows as they were written then; of a person
  /// no run has met, why as far as it can be told now.
  func plan(
    _ key: String, of ref: UserRef, for caller: Caller, now: Date
  ) async throws -> Explanation {
    let settings = try await settings()
    return try await db.snapshot { tx in
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      let plan = try PlanStore.load(key, in: tx)
      let ids = try ExplanationStore.ids(of: user, in: tx)
      let enrolments = try ExplanationStore.enrolments(ids, plan: key, in: tx)
      let undecided = try ExplanationStore.undecided(ids, plan: key, in: tx)
      var decisions = undecided.map(Decision.init(undecided:))
      decisions += try Self.decisions(enrolments, ids, plan: key, in: tx)
      if decisions.isEmpty {
        let absence = Absence(plan: plan, user: user, settings: settings, now: now)
        decisions = [try absence.decision(in: tx)]
      }
      return Explanation(user: user, plan: key, decisions: decisions)
    }
  }

  /// Whether and why a person is in a segment now.
  func segment(
    _ key: String, of ref: UserRef, for caller: Caller, now: Date
  ) async throws -> JSONValue {
    let user = try await db.read { try UserScope.load(ref, for: caller, now: now, in: $0) }
    return try await segments.explain(user: user, segment: key, now: now)
  }

  /// By run, oldest first: the entry, the deliveries, the end.
  private static func decisions(
    _ enrolments: [ExplanationStore.Enrolment], _ ids: [UUID], plan: String, in tx: Transaction
  ) throws -> [Decision] {
    guard !enrolments.isEmpty else { return [] }
    let deliveries = try ExplanationStore.deliveries(
      ids, plan: plan, runs: Array(Set(enrolments.map(\.name.run))), in: tx)
    let visits = try ExplanationStore.visits(
      ids, plan: plan, runs: Array(Set(enrolments.map(\.name.run))), in: tx)
    let attempts = try ExplanationStore.attempts(ids, deliveries: deliveries.map(\.id), in: tx)
    var buckets: [Int: Int] = [:]
    for version in Set(enrolments.map(\.version)) {
      buckets[version] = try PlanDocument.stored(
        PlanStore.version(plan, version, in: tx).document
      ).holdoutBuckets
    }
    var decisions: [Decision] = []
    for enrolment in enrolments.reversed() {
      let start = decisions.count
      decisions.append(Decision(entry: enrolment, heldOutBelow: buckets[enrolment.version] ?? 0))
      // In the order in which the person came to the steps.
      let sent = deliveries.filter { $0.enrolment == enrolment.name }.map {
        (at: $0.createdAt, decision: Decision($0, attempts: attempts[$0.id] ?? []))
      }
      let visited = visits.filter { $0.enrolment == enrolment.name }.map {
        (at: $0.arrivedAt, decision: Decision($0))
      }
      decisions += (sent + visited).sorted { $0.at < $1.at }.map(\.decision)
      if let end = Decision(endOf: enrolment) { decisions.append(end) }
      for index in start..<decisions.count { decisions[index].arm = enrolment.arm }
    }
    return decisions
  }
}

extension Decision {
  fileprivate init(undecided run: Run) {
    let isCancelled = run.state == .cancelled
    self.init(
      run: run.id, at: run.startedAt, outcome: isCancelled ? .skipped : .pending,
      gate: isCancelled ? Gate.stopped.rawValue : nil,
      code: isCancelled ? SkipCode.cancelled.rawValue : "not_decided_yet")
  }

  fileprivate init(entry: ExplanationStore.Enrolment, heldOutBelow buckets: Int) {
    let seen = entry.values?["holdout"]
    let holdout: JSONValue? =
      seen ?? entry.bucket.map { ["bucket": .int($0), "held_out_below": .int(buckets)] }
    switch entry.state {
    case "held_out":
      self.init(
        run: entry.name.run, at: entry.enteredAt, outcome: .heldOut, gate: "holdout",
        code: entry.reason ?? Holdout.heldOut, values: holdout)
    case "skipped":
      self.init(
        run: entry.name.run, at: entry.enteredAt, outcome: .skipped,
        gate: Self.entryGate(entry.reason),
        code: entry.reason, values: entry.values)
    default:
      self.init(
        run: entry.name.run, at: entry.enteredAt, outcome: .entered, values: entry.values ?? holdout
      )
    }
  }

  fileprivate init?(endOf entry: ExplanationStore.Enrolment) {
    guard let at = entry.finishedAt else { return nil }
    switch entry.state {
    case "finished": self.init(run: entry.name.run, at: at, outcome: .finished)
    case "exited":
      self.init(
        run: entry.name.run, at: at, outcome: .exited, gate: Self.entryGate(entry.reason),
        code: entry.reason)
    default: return nil
    }
  }

  fileprivate init(_ visit: ExplanationStore.Visit) {
    let isWaiting = visit.leftAt == nil
    self.init(
      run: visit.enrolment.run, at: visit.leftAt ?? visit.arrivedAt, step: visit.step,
      outcome: Outcome(rawValue: visit.state) ?? .unknown, gate: visit.kind,
      code: isWaiting && visit.dueAt == nil ? "parked" : visit.outcome,
      values: isWaiting ? ["due_at": .instant(visit.dueAt)] : visit.values)
  }

  fileprivate init(_ delivery: ExplanationStore.Delivery, attempts: [ExplainedAttempt]) {
    let outcome = Outcome(rawValue: delivery.status) ?? .unknown
    let isPending = outcome == .pending
    self.init(
      run: delivery.enrolment.run, at: delivery.settledAt ?? delivery.createdAt,
      step: delivery.step,
      outcome: outcome, gate: delivery.gate,
      code: isPending ? delivery.waitingCode : delivery.reason,
      values: isPending ? delivery.waitingValues : delivery.values, delivery: delivery.id,
      channel: delivery.channel, sender: delivery.sender, attempts: attempts)
  }
}

extension ExplanationStore.Delivery {
  /// A gate that put it off says more than that it is queued.
  fileprivate var isDeferred: Bool {
    gate != nil && reason != nil && waiting?.dueAt != nil && !(waiting?.inFlight ?? false)
  }

  fileprivate var waitingCode: String? { isDeferred ? reason : waiting?.code }

  fileprivate var waitingValues: JSONValue? {
    guard isDeferred, var seen = values?.objectValue else { return waiting?.values }
    for (key, value) in waiting?.values.objectValue?.members ?? [] { seen[key] = value }
    return .object(seen)
  }
}

extension ExplanationStore.Waiting {
  /// Why a delivery is pending still.
  fileprivate var code: String {
    if inFlight { return "in_flight" }
    if dueAt == nil { return "parked" }
    if phase == QueueEntry.Phase.race.rawValue { return "race" }
    if phase == QueueEntry.Phase.followUp.rawValue { return "waiting_for_receipt" }
    return tries > 0 ? "retrying" : "queued"
  }

  fileprivate var values: JSONValue {
    ["due_at": .instant(dueAt), "tries": .int(tries)]
  }
}
