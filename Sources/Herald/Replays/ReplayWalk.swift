import Conditions
import Foundation
import JSON

/// What a walk through a plan asks about people; the same rules then decide that decide in earnest.
struct ReplayFacts {
  let plan: ApprovedPlan
  let project: ProjectSettings
  let users: [UUID: User]
  /// By person in order, up to the end of the period.
  let events: [UUID: [ReplayEvent]]
  let senders: [Channel: [StoredSender]]
  let tokenProviders: (StoredSender) -> Set<String>?
  let drawn: [UUID: (held: String?, arm: String?)]
  /// Whether a condition held of a person then.
  let holds: (Condition, UUID, Date) throws -> Bool
  /// The same of the audience, at entry.
  let fits: (Condition, UUID, Date) throws -> Bool

  func zone(of user: UUID) -> TimeZone {
    let name = users[user]?.zone(project: project.timeZone) ?? project.timeZone
    return TimeZone(identifier: name) ?? .gmt
  }
}

/// One person's way through a plan, from its entry to the end of the period. Every hand-over is taken
/// to be accepted; no receipt comes.
struct ReplayWalk {
  enum End: Equatable {
    case finished, active
    case exited(String)
  }

  private let facts: ReplayFacts
  private let entrant: ReplayEntrant
  private let until: Date
  private var clock: Date
  private var answered: Set<String> = []
  private var sent: [String: JourneyStore.Sent] = [:]
  private var coupons = JSONObject()
  private(set) var lines: [Replay.Line] = []

  init(_ entrant: ReplayEntrant, _ facts: ReplayFacts, until: Date) {
    self.entrant = entrant
    self.facts = facts
    self.until = until
    clock = entrant.at
  }

  private var document: PlanDocument { facts.plan.document }
  private var events: [ReplayEvent] { facts.events[entrant.user] ?? [] }
  private var arm: String? { facts.drawn[entrant.user]?.arm }

  mutating func run() throws -> End {
    if let end = timer() { return end }
    var next = document.steps.first
    while let step = next {
      let outcome = step.kind.delivers ? try deliver(step) : try pass(step)
      switch outcome {
      case .to(let successor): next = successor.flatMap { document.step($0.id) }
      case .end(let end): return end
      }
    }
    return .finished
  }

  private enum Outcome {
    case to(PlanDocument.Successor?)
    case end(End)
  }

  /// The wait before the first step.
  private mutating func timer() -> End? {
    guard case .event(let trigger) = document.trigger, let event = entrant.event else { return nil }
    if let unless = trigger.unless {
      let end = event.at.addingTimeInterval(Double(unless.within.seconds))
      let zone = facts.zone(of: entrant.user)
      let stopping = events.first { other in
        guard other.name == unless.event, other.at <= end,
          (other.at, other.id.text) > (event.at, event.id.text)
        else { return false }
        if let same = unless.same {
          guard let value = other.properties[same], !value.isNull,
            value == event.properties[same]
          else { return false }
        }
        return unless.filters.allSatisfy {
          $0.holds(for: other.properties, at: other.at, zone: zone)
        }
      }
      if let stopping { return leave(SkipCode.unlessHappened.rawValue, nil, at: stopping.at) }
    }
    clock = max(event.at.addingTimeInterval(trigger.hold), entrant.at)
    return clock > until ? .active : nil
  }

  private mutating func leave(_ code: String, _ step: String?, at: Date) -> End {
    lines.append(line(step, .exited, code: code, at: at))
    return .exited(code)
  }

  private func line(
    _ step: String?, _ outcome: Replay.Outcome, code: String? = nil, channel: Channel? = nil,
    content: String? = nil, at: Date? = nil
  ) -> Replay.Line {
    Replay.Line(
      at: at ?? clock, user: entrant.user, step: step, outcome: outcome, code: code,
      channel: channel, content: content, arm: arm)
  }
}

// MARK: - Steps

extension ReplayWalk {
  /// Why the person leaves at this moment, if they do.
  private func exit(at step: PlanDocument.Step) throws -> SkipCode? {
    for goal in document.exitGoals(at: step.id)
    where document.answering(goal.event).isDisjoint(with: answered) {
      let end = since.addingTimeInterval(Double(goal.within.seconds))
      if events.contains(where: {
        $0.name == goal.event && $0.at > since && $0.at <= min(end, clock)
      }) {
        return .goalReached
      }
    }
    if document.exit.onLeavingAudience, let belonging = document.belonging,
      try !facts.holds(belonging, entrant.user, clock)
    {
      return .leftAudience
    }
    return nil
  }

  private var since: Date { entrant.event?.at ?? entrant.at }

  private mutating func pass(_ step: PlanDocument.Step) throws -> Outcome {
    let arrivedAt = clock
    while true {
      if let code = try exit(at: step) {
        return .end(leave(code.rawValue, step.id, at: clock))
      }
      switch StepRule(now: clock).decide(
        step, arrivedAt: arrivedAt, try stepFacts(step, arrivedAt))
      {
      case .pass(let next, let outcome, _):
        if outcome == "event" { answered.insert(step.id) }
        return .to(next)
      case .change(_, let next), .fail(let next, _): return .to(next)
      case .leave(let reason): return .end(leave(reason, step.id, at: clock))
      case .wait(let end, let names):
        let wake = events.first { $0.at > clock && names.contains($0.name) }?.at
        let next = min(wake ?? end, end)
        guard next <= until else { return .end(.active) }
        clock = next
      }
    }
  }

  private func stepFacts(
    _ step: PlanDocument.Step, _ arrivedAt: Date
  ) throws -> StepRule.Facts {
    var happenings: [JourneyStore.Happening] = []
    if case .waitUntil(.event(let awaited), _, _) = step.action {
      let start = awaited.since == .entry ? since : arrivedAt
      let end = min(StepRule.deadline(of: awaited, arrivedAt), clock)
      happenings = events.filter { $0.name == awaited.name && $0.at > start && $0.at <= end }
        .map { .init(at: $0.at, properties: $0.properties) }
    }
    var holding: Set<Int> = []
    for (way, condition) in step.conditions
    where try facts.holds(condition, entrant.user, clock) { holding.insert(way) }
    return StepRule.Facts(
      plan: facts.plan.key, user: entrant.user, isErased: false,
      zone: facts.zone(of: entrant.user), properties: entrant.event?.properties ?? [:],
      events: happenings, holding: holding, sent: sent, receipts: [],
      exitEvents: document.exitGoals(at: step.id).map(\.event))
  }
}

// MARK: - Sends

extension ReplayWalk {
  private mutating func deliver(_ step: PlanDocument.Step) throws -> Outcome {
    var entry = queueEntry(step, link: 0, phase: .send, stepEnteredAt: clock)
    let isTrial = document.experiment?.step == step.id
    if isTrial, arm == Experiment.winner {
      lines.append(line(step.id, .pending, code: "race"))
      return .end(.active)
    }
    let variant = isTrial ? document.experiment?.variant(arm) : nil
    while true {
      if let code = try exit(at: step) { return .end(leave(code.rawValue, step.id, at: clock)) }
      let (verdict, passes) = Gatekeeper(now: clock).decide(entry, gateFacts(variant))
      switch verdict {
      case .skip(let code, _, _):
        return .to(skip(step, code.rawValue, channel: nil))
      case .exhausted:
        return .to(skip(step, passes.last?.code.rawValue ?? "", channel: passes.last?.channel))
      case .settled: return .to(step.next)
      case .noSender:
        lines.append(line(step.id, .pending, code: "no_sender"))
        return .end(.active)
      case .postpone(let deferral):
        guard deferral.until <= until else {
          lines.append(line(step.id, .pending, code: deferral.gate.rawValue))
          return .end(.active)
        }
        clock = deferral.until
      case .issue(_, let coupon):
        coupons[step.id] = ["coupon": ["code": "REPLAY", "valid_until": .instant(clock)]]
        hand(step, .coupon, coupon)
        return .to(step.next)
      case .handOver(let index, _, _, _):
        let link = step.chain[index]
        hand(step, link.channel, link.template.map { variant?.templates[$0] ?? $0 })
        guard step.chain.indices.contains(index + 1), let wait = step.chain[index + 1].after else {
          return .to(step.next)
        }
        let later = clock.addingTimeInterval(Double(wait.seconds))
        guard later <= until else { return .end(.active) }
        entry = queueEntry(
          step, link: index, phase: .followUp, stepEnteredAt: entry.stepEnteredAt)
        clock = later
      }
    }
  }

  private mutating func hand(_ step: PlanDocument.Step, _ channel: Channel, _ content: String?) {
    lines.append(line(step.id, .sent, channel: channel, content: content))
    sent[step.id] = JourneyStore.Sent(id: UUID(), status: .sent, reason: nil)
  }

  /// What was sent stays sent, whatever a later link comes to.
  private mutating func skip(
    _ step: PlanDocument.Step, _ code: String, channel: Channel?
  ) -> PlanDocument.Successor? {
    if sent[step.id] == nil {
      lines.append(line(step.id, .skipped, code: code, channel: channel))
      sent[step.id] = JourneyStore.Sent(id: UUID(), status: .skipped, reason: code)
    }
    return step.next
  }

  private func queueEntry(
    _ step: PlanDocument.Step, link: Int, phase: QueueEntry.Phase, stepEnteredAt: Date
  ) -> QueueEntry {
    QueueEntry(
      lane: 0, deliveryID: entrant.user, userID: entrant.user, runID: entrant.user,
      entryKey: entrant.event?.id.text ?? "", stepID: step.id, occurrence: 1,
      enteredAt: entrant.at, stepEnteredAt: stepEnteredAt, plan: facts.plan.key,
      planVersion: facts.plan.version, priority: document.priority, link: link, phase: phase,
      tries: 0, claims: 0, sender: nil, content: nil, handedOverAt: nil)
  }

  private func gateFacts(_ variant: Experiment.Variant?) -> Gatekeeper.Facts {
    let user = facts.users[entrant.user]
    return Gatekeeper.Facts(
      plan: facts.plan, user: user,
      variables: RenderVariables(
        user: user?.renderJSON ?? [:], event: entrant.event?.properties ?? [:],
        plan: ["key": .string(facts.plan.key)], steps: coupons),
      variant: variant, senders: facts.senders, tokenProviders: facts.tokenProviders,
      receiptArrived: false, projectZone: facts.project.timeZone,
      projectQuietHours: facts.project.quietHours, unknownConsent: facts.project.unknownConsent,
      unsubscribeURL: { _ in "https://replay.invalid/" })
  }
}
