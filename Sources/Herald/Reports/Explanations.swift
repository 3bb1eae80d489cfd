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
      decisions += try Self.decisions(enrolments, ids, plan: key, now: now, in: tx)
      if decisions.isEmpty {
        let absence = Absence(plan: plan, user: user, settings: settings, now: now)
        decisions = [try absence.decision(in: tx)]
      } else if !enrolments.isEmpty,
        let later = try EventAbsence(plan, user, settings, now: now, in: tx)?
          .later(than: enrolments, in: tx)
      {
        decisions.append(later)
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
    _ enrolments: [ExplanationStore.Enrolment], _ ids: [UUID], plan: String, now: Date,
    in tx: Transaction
  ) throws -> [Decision] {
    guard !enrolments.isEmpty else { return [] }
    let deliveries = try ExplanationStore.deliveries(
      ids, plan: plan, runs: Array(Set(enrolments.map(\.name.run))), in: tx)
    let visits = try ExplanationStore.visits(
      ids, plan: plan, runs: Array(Set(enrolments.map(\.name.run))), in: tx)
    let attempts = try ExplanationStore.attempts(ids, deliveries: deliveries.map(\.id), in: tx)
    var versions: [Int: (document: PlanDocument, manifest: Manifest?)] = [:]
    for number in Set(enrolments.map(\.version)) {
      let version = try PlanStore.version(plan, number, in: tx)
      versions[number] = (
        try PlanDocument.stored(version.document), try version.manifest.map(Manifest.init(stored:))
      )
    }
    var decisions: [Decision] = []
    for enrolment in enrolments.reversed() {
      let start = decisions.count
      let version = versions[enrolment.version]
      decisions.append(
        Decision(entry: enrolment, heldOutBelow: version?.document.holdoutBuckets ?? 0))
      // In the order in which the person came to the steps.
      let sent = try deliveries.filter { $0.enrolment == enrolment.name }.map { delivery in
        var decision = Decision(delivery, attempts: attempts[delivery.id] ?? [])
        if let (document, manifest) = version, let manifest {
          try decision.tellSenders(of: delivery, document, manifest, now: now, in: tx)
        }
        return (at: delivery.createdAt, decision: decision)
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
        run: entry.name.run, at: entry.enteredAt, outcome: .entered,
        values: entry.valuesAtEntry ?? holdout)
    }
  }

  fileprivate init?(endOf entry: ExplanationStore.Enrolment) {
    guard let at = entry.finishedAt else { return nil }
    switch entry.state {
    case "finished": self.init(run: entry.name.run, at: at, outcome: .finished)
    case "exited":
      self.init(
        run: entry.name.run, at: at, outcome: .exited, gate: Self.entryGate(entry.reason),
        code: entry.reason, values: entry.values?["exit"])
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
      outcome: outcome, gate: isPending && !delivery.isDeferred ? nil : delivery.gate,
      code: isPending ? delivery.waitingCode : delivery.reason,
      values: isPending ? delivery.waitingValues : delivery.values, delivery: delivery.id,
      channel: delivery.channel, sender: delivery.sender, attempts: attempts)
  }
}

extension Decision {
  /// Of a delivery that only waits for its turn: whether, as far as the senders go, nothing can carry
  /// it, and what keeps each of those that were approved for it. As it is now; the dispatcher keeps no
  /// note of it.
  fileprivate mutating func tellSenders(
    of delivery: ExplanationStore.Delivery, _ document: PlanDocument, _ manifest: Manifest,
    now: Date, in tx: Transaction
  ) throws {
    guard let waiting = delivery.waiting, delivery.isItsTurn(at: now),
      let chain = document.step(delivery.step)?.chain
    else { return }
    // The receipt did not come: the next link's turn.
    let link = waiting.phase == QueueEntry.Phase.followUp.rawValue ? waiting.link + 1 : waiting.link
    guard chain.indices.contains(link) else { return }
    let channel = chain[link].channel
    guard let obstacles = try SenderGap.find(manifest, channel, only: waiting.doubted, in: tx)
    else { return }
    gate = "sender"
    code = "no_sender"
    var seen = values?.objectValue ?? [:]
    seen["channel"] = .string(channel.rawValue)
    seen["senders"] = .object(
      JSONObject(
        obstacles.sorted { $0.key < $1.key }.map { (key: $0.key, value: .string($0.value)) }))
    values = .object(seen)
  }
}

extension ExplanationStore.Delivery {
  /// Due, or put off by the dispatcher for a moment, and nothing is known to be in its way.
  fileprivate func isItsTurn(at now: Date) -> Bool {
    guard let waiting, let dueAt = waiting.dueAt, !isDeferred else { return false }
    return dueAt <= now.addingTimeInterval(5)
      && ["queued", "retrying", "waiting_for_receipt"].contains(waiting.code)
  }

  /// A gate that put it off says more than that it is queued, as long as it waits for that.
  fileprivate var isDeferred: Bool {
    guard gate != nil, reason != nil, let dueAt = waiting?.dueAt, waiting?.inFlight == false
    else { return false }
    let until = values?["until"]?.stringValue.flatMap(Date.init(rfc3339:))
    return until.map { abs($0.timeIntervalSince(dueAt)) < 1 } ?? true
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
