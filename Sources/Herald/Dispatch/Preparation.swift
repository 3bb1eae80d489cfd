import Foundation
import JSON
import Postgres

/// A message whose gates are passed, ready to be handed over.
struct Handover: Sendable {
  let entry: QueueEntry
  let link: Int
  let channel: Channel
  let sender: StoredSender
  let message: OutboundMessage
  /// Noted as handed over by the preparation already: it goes out next, without another look.
  var isBegun = false
}

/// Takes a claimed batch through the gates in one transaction: settles what needs no sender
/// (skips, coupons, deferrals) and fixes what is to be handed over.
struct Preparation {
  let plans: ApprovedPlans
  let senders: Senders
  let health: SenderHealth
  let settings: DispatchSettings
  let project: ProjectSettings
  let now: Date
  let lane: Int
  let lease: UUID

  /// A row that took its worker down this often is set aside.
  static let crashes = 3

  /// Returns the hand-overs, in the order of the entries.
  func run(_ entries: [QueueEntry], in tx: Transaction) throws -> [Handover] {
    var settlement = Settlement(lane: lane, lease: lease)
    let stops = try StopStore.lock(in: tx)
    let work = try sort(entries, stops, into: &settlement, in: tx)
    let facts = try PreparationFacts(work, self, in: tx)
    var handovers: [Handover] = []
    var issues: [String: [(entry: QueueEntry, link: Int)]] = [:]
    for entry in work {
      let (verdict, passes) = Gatekeeper(now: now).decide(entry, try facts.of(entry))
      record(passes, of: entry, into: &settlement)
      switch verdict {
      case .handOver(let link, let address, let sender, let content):
        handovers.append(
          try facts.handover(entry, link: link, to: address, by: sender, content))
      case .issue(let link, let coupon): issues[coupon, default: []].append((entry, link))
      default: try conclude(verdict, passes.last, entry, facts, into: &settlement)
      }
    }
    for (coupon, wanted) in issues.sorted(by: { $0.key < $1.key }) {
      try issue(coupon, wanted, facts, into: &settlement, in: tx)
    }
    try settlement.apply(now: now, in: tx)
    try begin(&handovers, stops, facts)
    let held = try QueueStore.prepare(
      handovers, lane: lane, lease: lease, leaseSeconds: settings.leaseSeconds, in: tx)
    return handovers.filter { held.contains($0.entry.deliveryID) }
  }

  /// The first micro-batch of each sender needs no transaction of its own: what forbids it was read
  /// and locked in this one. Senders and plans with a pace, and senders at rest, are left alone.
  private func begin(
    _ handovers: inout [Handover], _ stops: Set<String>, _ facts: PreparationFacts
  ) throws {
    var room: [String: Int] = [:]
    for index in handovers.indices {
      let sender = handovers[index].sender
      guard sender.sender.pacePerSecond == nil, health.isOpen(sender.key),
        !stops.contains("channel:\(sender.sender.channel.rawValue)"),
        try facts.plan(of: handovers[index].entry).document.limits.perMinute == nil
      else { continue }
      let left = try room[sender.key] ?? Flight.size(for: sender, by: senders, settings)
      guard left > 0 else { continue }
      room[sender.key] = left - 1
      handovers[index].isBegun = true
    }
  }

  /// Sorts out what must not go through the gates: cancelled runs, paused plans, stopped channels,
  /// rows that crashed their workers, and hand-overs whose end nobody knows.
  private func sort(
    _ entries: [QueueEntry], _ stops: Set<String>, into settlement: inout Settlement,
    in tx: Transaction
  ) throws -> [QueueEntry] {
    let paused = try StopStore.pausedPlans(Set(entries.map(\.plan)).sorted(), in: tx)
    let cancelled = try StopStore.cancelledRuns(Set(entries.map(\.runID)), in: tx)
    var work: [QueueEntry] = []
    for entry in entries {
      let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
      let channel = plan.step(entry.stepID).flatMap { step in
        step.chain.indices.contains(entry.link) ? step.chain[entry.link].channel : nil
      }
      if let interrupted = try interruption(entry, plan, channel, in: tx) {
        settlement.record(interrupted)
        settlement.set(
          .init(
            entry: entry, status: .unknown, reason: "interrupted", gate: nil, values: nil,
            channel: channel, sender: entry.sender, providerID: nil))
        settlement.advance(entry, to: plan.step(entry.stepID)?.next)
      } else if cancelled.contains(entry.runID) {
        settlement.set(.skipped(entry, .cancelled, .stopped, nil, channel))
        settlement.exit(entry, reason: SkipCode.cancelled.rawValue)
      } else if stops.contains("all") || paused.contains(entry.plan)
        || channel.map({ stops.contains("channel:\($0.rawValue)") }) ?? false
      {
        settlement.postpone(
          entry, until: nil, phase: entry.phase, tries: entry.tries, sender: entry.sender,
          content: entry.content)
      } else if entry.claims > Self.crashes {
        settlement.set(
          .init(
            entry: entry, status: .failed, reason: "set_aside", gate: nil,
            values: ["claims": .int(entry.claims)], channel: channel, sender: entry.sender,
            providerID: nil))
        settlement.advance(entry, to: plan.step(entry.stepID)?.next)
      } else {
        work.append(entry)
      }
    }
    return work
  }

  /// A hand-over that was under way when its worker vanished, and must not be repeated.
  private func interruption(
    _ entry: QueueEntry, _ plan: ApprovedPlan, _ channel: Channel?, in tx: Transaction
  ) throws -> Settlement.Attempt? {
    guard let started = entry.handedOverAt, let channel, let key = entry.sender else { return nil }
    if let sender = try SenderStore.find(key, in: tx),
      try senders.adapter(for: sender).resendsSafely
    {
      return nil
    }
    return Settlement.Attempt(
      entry: entry, link: entry.link, channel: channel, number: entry.tries + 1, sender: key,
      status: AttemptStatus.unknown.rawValue, reason: "interrupted", providerID: nil,
      startedAt: started)
  }

  private func record(
    _ passes: [Gatekeeper.Pass], of entry: QueueEntry, into settlement: inout Settlement
  ) {
    for pass in passes {
      settlement.record(
        Settlement.Attempt(
          entry: entry, link: pass.link, channel: pass.channel, number: 0, sender: nil,
          status: AttemptStatus.skipped.rawValue, reason: pass.code.rawValue, providerID: nil,
          startedAt: now))
    }
  }

  private func conclude(
    _ verdict: Gatekeeper.Verdict, _ last: Gatekeeper.Pass?, _ entry: QueueEntry,
    _ facts: PreparationFacts, into settlement: inout Settlement
  ) throws {
    let next = try facts.plan(of: entry).step(entry.stepID)?.next
    switch verdict {
    case .skip(let code, let gate, let values):
      settlement.set(.skipped(entry, code, gate, values, nil))
      settlement.advance(entry, to: next)
    case .exhausted:
      if let last {
        settlement.set(.skipped(entry, last.code, last.gate, last.values, last.channel))
      }
      settlement.advance(entry, to: next)
    case .settled: settlement.advance(entry, to: next)
    case .postpone(let until, _):
      settlement.postpone(
        entry, until: until, phase: entry.phase, tries: entry.tries, sender: entry.sender,
        content: entry.content)
    case .noSender(let link):
      // A follow-up goes on looking for the receipt that would make it needless.
      let waits = entry.phase == .followUp
      settlement.postpone(
        entry, until: now.addingTimeInterval(5), link: waits ? entry.link : link,
        phase: entry.phase, tries: link == entry.link || waits ? entry.tries : 0)
    case .handOver, .issue: break
    }
  }

  private func issue(
    _ coupon: String, _ wanted: [(entry: QueueEntry, link: Int)], _ facts: PreparationFacts,
    into settlement: inout Settlement, in tx: Transaction
  ) throws {
    guard let first = wanted.first else { return }
    let plan = try facts.plan(of: first.entry)
    guard let definition = plan.coupons[coupon] else { return }
    let results = try CouponStore.issue(
      definition,
      to: wanted.map {
        CouponStore.Claim(user: $0.entry.userID, delivery: $0.entry.deliveryID, plan: $0.entry.plan)
      },
      budgets: try facts.budgets(coupon), now: now, in: tx)
    for (entry, link) in wanted {
      let plan = try facts.plan(of: entry)
      let next = plan.step(entry.stepID)?.next
      switch results[entry.deliveryID] {
      case .issued:
        settlement.record(.coupon(entry, link, .sent, nil, now))
        settlement.set(
          .init(
            entry: entry, status: .sent, reason: nil, gate: nil, values: nil, channel: .coupon,
            sender: nil, providerID: nil))
      case .refused(let code):
        settlement.record(.coupon(entry, link, .skipped, code.rawValue, now))
        settlement.set(.skipped(entry, code, .stock, ["coupon": .string(coupon)], .coupon))
      case nil:
        settlement.set(.skipped(entry, .outOfStock, .stock, ["coupon": .string(coupon)], .coupon))
      }
      settlement.advance(entry, to: next)
    }
  }
}

extension Settlement.Outcome {
  static func skipped(
    _ entry: QueueEntry, _ code: SkipCode, _ gate: Gate, _ values: JSONValue?, _ channel: Channel?
  ) -> Self {
    Self(
      entry: entry, status: .skipped, reason: code.rawValue, gate: gate.rawValue, values: values,
      channel: channel, sender: nil, providerID: nil)
  }
}

extension Settlement.Attempt {
  fileprivate static func coupon(
    _ entry: QueueEntry, _ link: Int, _ status: AttemptStatus, _ reason: String?, _ now: Date
  ) -> Self {
    Self(
      entry: entry, link: link, channel: .coupon, number: status == .sent ? 1 : 0, sender: nil,
      status: status.rawValue, reason: reason, providerID: nil, startedAt: now)
  }
}
