import Conditions
import Foundation
import JSON
import Postgres

/// The steps of a batch that send nothing, and who of the batch leaves the plan: what is asked about
/// them is read set by set, then each is decided on by itself. Rows of steps must be locked before:
/// an event that arrives meanwhile makes its row due again afterwards.
struct Journey {
  private let preparation: Preparation
  private var plans: [PlanVersionName: ApprovedPlan] = [:]
  private var entries: [EnrolmentName: JourneyStore.Entry] = [:]
  private var people: [UUID: JourneyStore.Person] = [:]
  // By the id of the work.
  private var reached: [UUID: JSONValue] = [:]
  private var events: [UUID: [JourneyStore.Happening]] = [:]
  private var holding: [UUID: Set<Int>] = [:]
  private var outside: Set<UUID> = []
  private var sent: [EnrolmentName: [String: JourneyStore.Sent]] = [:]
  private var receipts: Set<StepRule.ReceiptName> = []

  init(_ batch: [QueueEntry], _ preparation: Preparation, in tx: Transaction) throws {
    self.preparation = preparation
    for entry in batch where plans[entry.planName] == nil {
      plans[entry.planName] = try preparation.plans.get(entry.plan, entry.planVersion, in: tx)
    }
    let plans = plans
    let concerned = batch.filter { entry in
      entry.phase == .step || plans[entry.planName]?.document.exit.asks ?? false
    }
    guard !concerned.isEmpty else { return }
    entries = try JourneyStore.entries(concerned.map(\.enrolment), in: tx)
    people = try JourneyStore.people(concerned.map(\.userID), in: tx)
    try askEvents(concerned, in: tx)
    try askConditions(concerned, in: tx)
    try askSent(concerned, in: tx)
  }

  /// Why somebody leaves now, if they do.
  func exit(of entry: QueueEntry) -> (code: SkipCode, values: JSONValue?)? {
    if let values = reached[entry.deliveryID] { return (.goalReached, values) }
    return outside.contains(entry.deliveryID) ? (.leftAudience, nil) : nil
  }

  /// Carries out the steps of those who stay.
  func carryOut(
    _ steps: [QueueEntry], into settlement: inout Settlement, in tx: Transaction
  ) throws {
    let rule = StepRule(now: preparation.now)
    var changes: [(entry: QueueEntry, change: UserChange, next: PlanDocument.Successor?)] = []
    for entry in steps {
      guard let step = plans[entry.planName]?.step(entry.stepID) else {
        settlement.depart(entry, .failed, "unknown_step")
        settlement.advance(entry, to: nil)
        continue
      }
      switch rule.decide(step, arrivedAt: entry.stepEnteredAt, facts(of: entry)) {
      case .pass(let next, let outcome, let values):
        settlement.depart(entry, .passed, outcome, values)
        settlement.advance(entry, to: next)
      case .wait(let end, let events): settlement.wait(entry, until: end, for: events)
      case .change(let change, let next): changes.append((entry, change, next))
      case .fail(let next, let reason):
        settlement.depart(entry, .failed, reason)
        settlement.advance(entry, to: next)
      case .leave(let reason):
        settlement.depart(entry, .exited, reason)
        settlement.exit(entry, reason: reason)
      }
    }
    try make(changes, into: &settlement, in: tx)
  }

  /// As an upsert does it: tags nobody declared are declared, values that do not fit are refused.
  private func make(
    _ changes: [(entry: QueueEntry, change: UserChange, next: PlanDocument.Successor?)],
    into settlement: inout Settlement, in tx: Transaction
  ) throws {
    guard !changes.isEmpty else { return }
    let outcomes = try UserChanges.apply(
      changes.map { entry, change, _ in
        UserChanges.Item(change: change, target: people[entry.userID]?.standing)
      }, source: "api", by: .herald, now: preparation.now, in: tx)
    for ((entry, _, next), outcome) in zip(changes, outcomes) {
      switch outcome {
      case .changed: settlement.depart(entry, .passed, "done")
      case .refused(let error):
        settlement.depart(entry, .failed, "refused", ["message": .string(error.message)])
      }
      settlement.advance(entry, to: next)
    }
  }

  private func facts(of entry: QueueEntry) -> StepRule.Facts {
    let person = people[entry.userID]
    let zone = person?.zone.flatMap(TimeZone.init(identifier:))
    let document = plans[entry.planName]?.document
    return StepRule.Facts(
      plan: entry.plan, user: entry.userID, isErased: person?.isErased ?? true,
      zone: zone ?? TimeZone(identifier: preparation.project.timeZone) ?? .gmt,
      properties: entries[entry.enrolment]?.properties ?? [:],
      events: events[entry.deliveryID] ?? [], holding: holding[entry.deliveryID] ?? [],
      sent: sent[entry.enrolment] ?? [:], receipts: receipts,
      exitEvents: document?.exitGoals(at: entry.stepID).map(\.event) ?? [])
  }
}

// MARK: - Asking

extension Journey {
  /// The events of goals that end people's way, and those their step waits for.
  private mutating func askEvents(_ batch: [QueueEntry], in tx: Transaction) throws {
    let answered = try StepVisitStore.answered(
      batch.filter { plans[$0.planName]?.document.answersGoals ?? false }.map(\.enrolment), in: tx)
    var questions: [JourneyStore.Question] = []
    var askers: [(work: UUID, goal: PlanDocument.Goal?)] = []
    for entry in batch {
      guard let plan = plans[entry.planName], let start = entries[entry.enrolment]?.since,
        let ids = people[entry.userID]?.ids
      else { continue }
      for goal in plan.document.exitGoals(at: entry.stepID)
      where plan.document.answering(goal.event).isDisjoint(with: answered[entry.enrolment] ?? []) {
        questions.append(
          .init(
            ids: ids, name: goal.event, since: start,
            until: start.addingTimeInterval(Double(goal.within.seconds)), takesFirst: true))
        askers.append((entry.deliveryID, goal))
      }
      if entry.phase == .step,
        case .waitUntil(.event(let awaited), _, _) = plan.step(entry.stepID)?.action
      {
        questions.append(
          .init(
            ids: ids, name: awaited.name,
            since: awaited.since == .entry ? start : entry.stepEnteredAt,
            until: StepRule.deadline(of: awaited, entry.stepEnteredAt),
            takesFirst: awaited.filters.isEmpty && awaited.same == nil))
        askers.append((entry.deliveryID, nil))
      }
    }
    for (place, found) in try JourneyStore.events(questions, in: tx) {
      let (work, goal) = askers[place]
      if let goal {
        reached[work] = ["goal": .string(goal.event), "at": .instant(found.first?.at)]
      } else {
        events[work, default: []] += found
      }
    }
    for work in events.keys { events[work]?.sort { $0.at < $1.at } }
  }

  /// The conditions of branches, and who still belongs to the plan.
  private mutating func askConditions(_ batch: [QueueEntry], in tx: Transaction) throws {
    let project = preparation.project
    let now = preparation.now
    for (name, group) in Dictionary(grouping: batch, by: \.planName) {
      guard let plan = plans[name] else { continue }
      if plan.document.exit.onLeavingAudience, let belonging = plan.document.belonging {
        let inside = try JourneyStore.holding(
          plan.asked(belonging, now: now, project, in: tx), of: standing(group), in: tx)
        outside.formUnion(
          group.filter { !isOne(of: inside, $0) }.map(\.deliveryID))
      }
      for (id, group) in Dictionary(grouping: group.filter { $0.phase == .step }, by: \.stepID) {
        for (way, condition) in plan.step(id)?.conditions ?? [] {
          let inside = try JourneyStore.holding(
            plan.asked(condition, now: now, project, in: tx), of: standing(group), in: tx)
          for entry in group where isOne(of: inside, entry) {
            holding[entry.deliveryID, default: []].insert(way)
          }
        }
      }
    }
  }

  private func standing(_ batch: [QueueEntry]) -> [UUID] {
    Array(Set(batch.compactMap { people[$0.userID]?.standing }))
  }

  private func isOne(of users: Set<UUID>, _ entry: QueueEntry) -> Bool {
    people[entry.userID].map { users.contains($0.standing) } ?? false
  }

  /// Earlier sends that branches ask about, with their receipts.
  private mutating func askSent(_ batch: [QueueEntry], in tx: Transaction) throws {
    var asked: [(enrolment: EnrolmentName, step: String, is: PlanDocument.StepResult)] = []
    for entry in batch where entry.phase == .step {
      guard case .branch(let ways, _) = plans[entry.planName]?.step(entry.stepID)?.action else {
        continue
      }
      asked += ways.compactMap(\.test.result).map { (entry.enrolment, $0.step, $0.is) }
    }
    guard !asked.isEmpty else { return }
    sent = try JourneyStore.sent(asked.map { ($0.enrolment, $0.step) }, in: tx)
    var wanted: [Receipt.Event: [UUID]] = [:]
    for (enrolment, step, result) in asked {
      guard case .receipt(let event) = result, let id = sent[enrolment]?[step]?.id else { continue }
      wanted[event, default: []].append(id)
    }
    for (event, ids) in wanted {
      let found = try DeliveryStore.haveReceipt(ids.map { ($0, event.rawValue) }, in: tx)
      receipts.formUnion(found.map { StepRule.ReceiptName(delivery: $0, event: event) })
    }
  }
}

extension PlanDocument.Exit {
  fileprivate var asks: Bool { onGoal || onLeavingAudience }
}

extension PlanDocument {
  /// Whether a goal that people leave by may have been waited for.
  fileprivate var answersGoals: Bool {
    exit.onGoal && goals.contains { !answering($0.event).isEmpty }
  }
}

extension ApprovedPlan {
  /// A condition of the plan as it was approved, over `users u`, for a handful of people.
  func asked(
    _ condition: Condition, now: Date, _ project: ProjectSettings, in tx: Transaction
  ) throws -> SQL {
    try SegmentCompiler.predicate(
      condition, closure: manifest.closure, now: now, projectZone: project.timeZone,
      unknown: project.unknownConsent, group: document.category, shape: .few,
      moving: EventHistory.isMoving(in: tx))
  }
}
