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
  /// The plan's own pace, a second.
  var planPace: Double?
  /// It has taken a slot of the caps.
  var isCapped = false
  /// When its gates let it through.
  let preparedAt: Date
  /// Noted as handed over by the preparation already: it goes out next, without another look.
  var isBegun = false
}

extension Handover {
  /// What is not known of an earlier hand-over at this link.
  var doubt: Date? { link == entry.link ? entry.handedOverAt : nil }

  /// The slot it has when the caps hold for it.
  var holder: CapUseStore.Holder? { isCapped ? entry.holder(link: link) : nil }

  /// The slot it gives back when it does not go out after all.
  var slot: CapUseStore.Holder? { doubt == nil ? holder : nil }

  /// Comes back as it was prepared.
  func postponement(until: Date) -> QueueStore.Postponement {
    QueueStore.Postponement(
      key: entry.key, dueAt: until, link: link, phase: .send,
      tries: link == entry.link ? entry.tries : 0, sender: sender.key, content: message.content,
      doubt: doubt)
  }
}

extension [Handover] {
  /// The slots to give back of rows that the lease still held: another worker that has taken one of the
  /// others over has a slot of its own for it, under the same name.
  func slots(of held: Set<UUID>) -> [CapUseStore.Holder] {
    filter { held.contains($0.entry.deliveryID) }.compactMap(\.slot)
  }
}

/// Takes a claimed batch through the gates in one transaction: settles what needs no sender
/// (skips, coupons, deferrals) and fixes what is to be handed over.
struct Preparation {
  let plans: ApprovedPlans
  let senders: Senders
  let health: SenderHealth
  let settings: DispatchSettings
  let project: ProjectSettings
  var links: UnsubscribeLinks?
  let now: Date
  let lease: Lease

  /// A row that took its worker down this often is set aside.
  static let crashes = 3

  /// Returns the hand-overs, in the order of the entries.
  func run(_ entries: [QueueEntry], in tx: Transaction) throws -> [Handover] {
    var settlement = Settlement(lease: lease.id)
    let stops = try StopStore.lock(in: tx)
    // Timers and steps, before anybody looks whether an event has come: whoever stores one is seen, or
    // waits and makes the row due again.
    let locked = try QueueStore.held(
      entries.filter { !$0.isDelivery }.map(\.key), lease: lease.id, in: tx)
    let entries = entries.filter { $0.isDelivery || locked.contains($0.deliveryID) }
    let sorted = try sort(entries, stops, into: &settlement, in: tx)
    // Who has priority takes the slots first.
    let ready = try walk(sorted, into: &settlement, in: tx).enumerated().sorted {
      ($1.element.priority, $0.offset) < ($0.element.priority, $1.offset)
    }.map(\.element)
    let (work, variants) = try trial(ready, into: &settlement, in: tx)
    var facts = try PreparationFacts(work, variants, self, in: tx)
    var handovers: [Handover] = []
    var issues: [String: [(entry: QueueEntry, link: Int)]] = [:]
    for entry in work {
      guard !facts.pressure.isContended(entry) else {
        settlement.keep(entry, until: now)
        continue
      }
      let (verdict, passes) = Gatekeeper(now: now).decide(entry, try facts.of(entry))
      if entry.isInDoubt, !verdict.keepsDoubt(of: entry) {
        interrupt(entry, try facts.plan(of: entry), into: &settlement)
        continue
      }
      record(passes, of: entry, into: &settlement)
      // Whatever it held before it takes anew.
      if entry.sender != nil, !entry.isInDoubt {
        settlement.giveBack(entry, link: entry.link)
      }
      switch verdict {
      case .handOver(let link, let address, let sender, let content):
        handovers.append(
          try facts.handover(entry, link: link, to: address, by: sender, content))
        facts.take(entry, link: link, sender.sender.channel)
      case .issue(let link, let coupon):
        issues[coupon, default: []].append((entry, link))
        facts.take(entry, link: link, .coupon)
      default: try conclude(verdict, passes.last, entry, facts, into: &settlement)
      }
    }
    // A code is given once and for all: not to a row that another worker has taken over.
    let held = try QueueStore.held(
      issues.values.flatMap { $0.map(\.entry.key) }, lease: lease.id, in: tx)
    for (coupon, wanted) in issues.sorted(by: { $0.key < $1.key }) {
      let wanted = wanted.filter { held.contains($0.entry.deliveryID) }
      try issue(coupon, wanted, facts, into: &settlement, in: tx)
    }
    try settlement.apply(now: now, in: tx)
    try begin(&handovers, stops)
    let prepared = try QueueStore.prepare(handovers, lease, in: tx)
    handovers.removeAll { !prepared.contains($0.entry.deliveryID) }
    try CapUseStore.insert(
      handovers.compactMap { $0.slot == nil ? nil : try facts.use($0.entry, $0.link, $0.channel) },
      in: tx)
    // What may have gone out before has its slot still, and counts from when it goes out again.
    try CapUseStore.move(
      handovers.filter { $0.doubt != nil }.compactMap(\.holder), to: now, in: tx)
    return handovers
  }

  /// Lets those go whose way ends, and carries out what sends nothing; returns the deliveries left.
  private func walk(
    _ entries: [QueueEntry], into settlement: inout Settlement, in tx: Transaction
  ) throws -> [QueueEntry] {
    let journey = try Journey(entries, self, in: tx)
    var steps: [QueueEntry] = []
    var deliveries: [QueueEntry] = []
    for entry in entries {
      let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
      if let (code, values) = journey.exit(of: entry) {
        if entry.isInDoubt {
          interrupt(entry, plan, into: &settlement, leaves: code)
        } else {
          leave(entry, code, .exit, values, entry.channel(in: plan), into: &settlement)
        }
        continue
      }
      switch entry.phase {
      case .send, .followUp, .race: deliveries.append(entry)
      case .step: steps.append(entry)
      // It names the step it leads to.
      case .entry: settlement.advance(entry, to: plan.step(entry.stepID)?.asSuccessor)
      }
    }
    try journey.carryOut(steps, into: &settlement, in: tx)
    return deliveries
  }

  /// Puts off those who wait for the winner of a race; the others, with the variants they get.
  private func trial(
    _ entries: [QueueEntry], into settlement: inout Settlement, in tx: Transaction
  ) throws -> (work: [QueueEntry], variants: [UUID: Experiment.Variant]) {
    let verdicts = try Trials(plans: plans, now: now).decide(entries, in: tx)
    var variants: [UUID: Experiment.Variant] = [:]
    let work = entries.filter { entry in
      switch verdicts[entry.deliveryID] {
      case .wait(let until):
        settlement.postpone(entry, until: until, phase: .race)
        return false
      case .variant(let variant): variants[entry.deliveryID] = variant
      case nil: break
      }
      return true
    }
    return (work, variants)
  }

  /// Ends somebody's way through the plan, whatever they are at.
  private func leave(
    _ entry: QueueEntry, _ code: SkipCode, _ gate: Gate, _ values: JSONValue?, _ channel: Channel?,
    into settlement: inout Settlement
  ) {
    switch entry.phase {
    case .send, .followUp, .race: settlement.set(.skipped(entry, code, gate, values, channel))
    case .step: settlement.depart(entry, .exited, code.rawValue, values)
    case .entry: break
    }
    settlement.exit(entry, reason: code.rawValue, values)
  }

  /// The first micro-batch of each sender needs no transaction of its own: what forbids it was read
  /// and locked in this one. Senders and plans with a pace, and senders at rest, are left alone.
  private func begin(_ handovers: inout [Handover], _ stops: Set<String>) throws {
    var room: [String: Int] = [:]
    for index in handovers.indices {
      let sender = handovers[index].sender
      guard sender.sender.pacePerSecond == nil, sender.sender.quotaPerDay == nil,
        health.isOpen(sender.key),
        !stops.contains("channel:\(sender.sender.channel.rawValue)"),
        handovers[index].planPace == nil
      else { continue }
      let left = try room[sender.key] ?? Flight.size(for: sender, by: senders, settings)
      guard left > 0 else { continue }
      room[sender.key] = left - 1
      handovers[index].isBegun = true
    }
  }

  /// Sorts out what must not go through the gates: rows that crashed their workers, hand-overs whose
  /// end nobody knows, cancelled runs, paused plans, stopped channels.
  private func sort(
    _ entries: [QueueEntry], _ stops: Set<String>, into settlement: inout Settlement,
    in tx: Transaction
  ) throws -> [QueueEntry] {
    let paused = try StopStore.pausedPlans(Set(entries.map(\.plan)).sorted(), in: tx)
    let cancelled = try StopStore.cancelledRuns(Set(entries.map(\.runID)), in: tx)
    var work: [QueueEntry] = []
    for entry in entries {
      guard entry.claims <= Self.crashes else {
        setAside(entry, into: &settlement, in: tx)
        continue
      }
      let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
      let channel = entry.channel(in: plan)
      if entry.isInDoubt, try cancelled.contains(entry.runID) || !mayResend(entry, plan, in: tx) {
        interrupt(
          entry, plan, into: &settlement,
          leaves: cancelled.contains(entry.runID) ? .cancelled : nil)
      } else if cancelled.contains(entry.runID) {
        leave(entry, .cancelled, .stopped, nil, channel, into: &settlement)
      } else if stops.contains("all") || paused.contains(entry.plan)
        || channel.map({ stops.contains("channel:\($0.rawValue)") }) ?? false
      {
        settlement.keep(entry, until: nil)
      } else {
        work.append(entry)
      }
    }
    return try admit(work, into: &settlement, in: tx)
  }

  /// Ends the waits before first steps that are over, and the enrolments of those whom their trigger
  /// does not want any more; the others.
  private func admit(
    _ entries: [QueueEntry], into settlement: inout Settlement, in tx: Transaction
  ) throws -> [QueueEntry] {
    let verdicts = try EntryTimers(plans: plans, projectZone: project.timeZone, now: now)
      .decide(entries, in: tx)
    return try entries.filter { entry in
      switch verdicts[entry.deliveryID] {
      case nil: return true
      case .proceed where entry.phase == .entry:
        // The timer names the step it leads to.
        let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
        settlement.advance(entry, to: plan.step(entry.stepID)?.asSuccessor)
      case .proceed: return true
      case .wait(let until): settlement.keep(entry, until: until)
      case .ended(let at):
        if entry.phase != .entry {
          settlement.set(
            .skipped(entry, .unlessHappened, .trigger, ["happened_at": .instant(at)], nil))
        }
        settlement.exit(
          entry, reason: SkipCode.unlessHappened.rawValue, ["happened_at": .instant(at)])
      }
      return false
    }
  }

  /// A row that took its workers down, or failed them, however small its company was. Its plan may
  /// be the reason, so that nothing here relies on it.
  private func setAside(
    _ entry: QueueEntry, into settlement: inout Settlement, in tx: Transaction
  ) {
    let plan = try? plans.get(entry.plan, entry.planVersion, in: tx)
    let values: JSONValue = ["claims": .int(entry.claims)]
    if entry.phase == .step {
      settlement.depart(entry, .failed, "set_aside", values)
    } else if entry.isDelivery {
      if let plan { recordDoubt(entry, plan, "set_aside", into: &settlement) }
      settlement.set(
        .init(
          entry: entry, status: entry.isInDoubt ? .unknown : .failed, reason: "set_aside",
          gate: nil, values: values, channel: plan.flatMap { entry.channel(in: $0) },
          sender: entry.sender, providerID: nil))
    }
    if entry.phase == .entry {
      settlement.exit(entry, reason: "set_aside")
    } else if let plan {
      settlement.advance(entry, to: plan.step(entry.stepID)?.next)
    } else {
      settlement.exit(entry, reason: "set_aside")
    }
  }

  /// Whether a hand-over without a known end may be repeated: by the sender that had it alone.
  private func mayResend(
    _ entry: QueueEntry, _ plan: ApprovedPlan, in tx: Transaction
  ) throws -> Bool {
    guard let key = entry.sender, entry.content != nil,
      let sender = try SenderStore.find(key, in: tx), plan.approves(sender)
    else { return false }
    return try senders.adapter(for: sender).resendsSafely
  }

  /// Gives up a hand-over whose end nobody knows: it may have gone out.
  private func interrupt(
    _ entry: QueueEntry, _ plan: ApprovedPlan, into settlement: inout Settlement,
    leaves: SkipCode? = nil
  ) {
    recordDoubt(entry, plan, "interrupted", into: &settlement)
    settlement.set(
      .init(
        entry: entry, status: .unknown, reason: "interrupted", gate: nil, values: nil,
        channel: entry.channel(in: plan), sender: entry.sender, providerID: nil))
    if let leaves {
      settlement.exit(entry, reason: leaves.rawValue)
    } else {
      settlement.advance(entry, to: plan.step(entry.stepID)?.next)
    }
  }

  /// The attempt whose end nobody knows, if there was one.
  private func recordDoubt(
    _ entry: QueueEntry, _ plan: ApprovedPlan, _ reason: String, into settlement: inout Settlement
  ) {
    guard let started = entry.handedOverAt, let channel = entry.channel(in: plan) else { return }
    settlement.record(
      Settlement.Attempt(
        entry: entry, link: entry.link, channel: channel, number: entry.tries + 1,
        sender: entry.sender, status: AttemptStatus.unknown.rawValue, reason: reason,
        providerID: nil, startedAt: started))
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
    case .postpone(let deferral): settlement.put(off: entry, deferral)
    case .noSender(let link) where link == entry.link || entry.phase == .followUp:
      // A follow-up goes on looking for the receipt that would make it needless.
      settlement.keep(entry, until: now.addingTimeInterval(5))
    case .noSender(let link):
      settlement.postpone(entry, until: now.addingTimeInterval(5), link: link)
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
    let issued = wanted.filter {
      if case .issued = results[$0.entry.deliveryID] { true } else { false }
    }
    try CapUseStore.insert(
      issued.compactMap { entry, link in
        try facts.plan(of: entry).isCapped ? try facts.use(entry, link, .coupon) : nil
      }, in: tx)
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

extension QueueEntry {
  func channel(in plan: ApprovedPlan) -> Channel? {
    guard let chain = plan.step(stepID)?.chain, chain.indices.contains(link) else { return nil }
    return chain[link].channel
  }
}

extension Gatekeeper.Verdict {
  /// Whether an entry without a known end is resent as it was, or waits for that. Whatever else the
  /// gates say comes too late for it.
  fileprivate func keepsDoubt(of entry: QueueEntry) -> Bool {
    switch self {
    case .handOver(let link, _, let sender, _): link == entry.link && sender.key == entry.sender
    case .noSender(let link): link == entry.link
    case .postpone: true
    case .skip, .exhausted, .settled, .issue: false
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
