import Foundation
import JSON
import Postgres

/// Which variant of an experiment each delivery of a batch gets, and who has to wait for the winner
/// of a race first. Decides races that are due.
struct Trials {
  enum Verdict {
    /// Nil: as the chain says.
    case variant(Experiment.Variant?)
    case wait(until: Date)
  }

  let plans: ApprovedPlans
  let now: Date

  /// While another worker decides.
  private static let pause = 1.0
  /// How often, in shares of the time of watching, is looked whether the last racer has been sent to.
  private static let looks = 4.0

  /// Verdicts about those that are at the step of an experiment, by delivery.
  func decide(_ entries: [QueueEntry], in tx: Transaction) throws -> [UUID: Verdict] {
    var concerned: [(entry: QueueEntry, plan: ApprovedPlan, experiment: Experiment)] = []
    for entry in entries where entry.isDelivery {
      let plan = try plans.get(entry.plan, entry.planVersion, in: tx)
      guard let experiment = plan.document.experiment, experiment.step == entry.stepID else {
        continue
      }
      concerned.append((entry, plan, experiment))
    }
    guard !concerned.isEmpty else { return [:] }
    let arms = try ArmStore.arms(concerned.map(\.entry.enrolment), in: tx)
    let runs = try RaceStore.runs(Set(concerned.map(\.entry.runID)), in: tx)
    var races: [RaceStore.Name: RaceStore.Race] = [:]
    var verdicts: [UUID: Verdict] = [:]
    for (entry, plan, experiment) in concerned {
      let arm = arms[entry.enrolment]
      if let race = experiment.race, arm != nil {
        let run = plan.document.trigger.isStream ? nil : runs[entry.runID]
        let name =
          run.map {
            RaceStore.Name(plan: plan.key, version: plan.version, occurrence: $0.occurrence)
          } ?? plan.stream
        if races[name] == nil { races[name] = try look(name, experiment, race, run, in: tx) }
        if arm == Experiment.winner {
          verdicts[entry.deliveryID] = winner(races[name], experiment, entry)
          continue
        }
      }
      verdicts[entry.deliveryID] = .variant(experiment.variant(arm))
    }
    return verdicts
  }

  /// What was rendered already goes out as it is.
  private func winner(
    _ race: RaceStore.Race?, _ experiment: Experiment, _ entry: QueueEntry
  ) -> Verdict {
    if let key = race?.winner { return .variant(experiment.variant(key)) }
    if entry.content != nil || entry.isInDoubt || entry.phase == .followUp {
      return .variant(nil)
    }
    return .wait(until: max(race?.lookAt ?? now, now.addingTimeInterval(Self.pause)))
  }

  private func look(
    _ name: RaceStore.Name, _ experiment: Experiment, _ race: Experiment.Race, _ run: Run?,
    in tx: Transaction
  ) throws -> RaceStore.Race? {
    let observe = Double(race.observe.seconds)
    if let known = try RaceStore.find(name, in: tx) {
      if known.winner != nil || known.lookAt > now { return known }
    } else {
      try RaceStore.open(name, lookAt: run == nil ? now.addingTimeInterval(observe) : now, in: tx)
      if run == nil { return try RaceStore.find(name, in: tx) }
    }
    guard let locked = try RaceStore.lock(name, in: tx), locked.lookAt <= now else {
      return try RaceStore.find(name, in: tx)
    }
    func seen(within span: Double) throws -> RaceStore.Field {
      try RaceStore.field(
        name, run: run?.id, step: experiment.step, variants: experiment.variants.map(\.key),
        race.metric, observe: span, in: tx)
    }
    var field = try seen(within: observe)
    if let longer = race.ifInsufficient?.extendUntil, isOver(field, race, isCrowd: run != nil) {
      field = try seen(within: Double(longer.seconds))
    }
    if let later = wait(for: field, race, run) {
      try RaceStore.postpone(name, until: later, in: tx)
    } else if let verdict = RaceRule(race: race).decide(
      field.figures, isOver: isOver(field, race, isCrowd: run != nil))
    {
      try RaceStore.decide(name, verdict, field.figures, now: now, in: tx)
    } else {
      try RaceStore.postpone(name, until: extended(field, race, isCrowd: run != nil), in: tx)
    }
    return try RaceStore.find(name, in: tx)
  }

  /// Until when there is nothing to decide on; nil when there is.
  private func wait(for field: RaceStore.Field, _ race: Experiment.Race, _ run: Run?) -> Date? {
    let isCrowd = run != nil
    let observe = Double(race.observe.seconds)
    let later = now.addingTimeInterval(min(max(observe / Self.looks, 1), 900))
    // Racers of lanes that are not entered yet are not on the field.
    if let run, !run.openLanes.isEmpty { return later }
    guard let start = isCrowd ? field.lastSent : field.firstSent else {
      // Nobody to watch: as long as somebody may come, that is not the end of it.
      return field.pending + field.coming > 0 || !isCrowd ? later : nil
    }
    let end = start.addingTimeInterval(observe)
    if end > now { return end }
    return isCrowd && field.pending > 0 ? later : nil
  }

  private func extended(_ field: RaceStore.Field, _ race: Experiment.Race, isCrowd: Bool) -> Date {
    let start = (isCrowd ? field.lastSent : field.firstSent) ?? now
    let span = race.ifInsufficient?.extendUntil ?? race.observe
    return max(start.addingTimeInterval(Double(span.seconds)), now)
  }

  private func isOver(_ field: RaceStore.Field, _ race: Experiment.Race, isCrowd: Bool) -> Bool {
    let isEmpty = field.lastSent == nil
    return isEmpty || extended(field, race, isCrowd: isCrowd) <= now
  }
}
