import Conditions
import Foundation
import JSON
import Postgres

/// Why no run of a plan has met a person: what can be told now, by the conditions that were approved.
struct Absence {
  let plan: Plan
  let user: UUID
  let settings: ProjectSettings
  let now: Date

  func decision(in tx: Transaction) throws -> Decision {
    guard let number = plan.liveVersion ?? plan.draftVersion else { return notLaunched(nil) }
    let version = try PlanStore.version(plan.key, number, in: tx)
    let document = try PlanDocument.stored(version.document)
    let runs = try AccountingStore.runs(plan.key, in: tx)
    if let absence = try EventAbsence(plan, user, settings, now: now, in: tx) {
      return try absence.decision(in: tx)
    }
    guard let latest = runs.first else {
      return document.trigger.isStanding && version.state == .live
        ? notTriggered(version) : notLaunched(version)
    }
    guard let segment = document.trigger.segment else { return notTriggered(version) }
    let crowd = try crowd(segment, document, version, in: tx)
    var values: JSONObject = [
      "segment": .string(segment), "frozen_at": .instant(latest.startedAt),
      "member_now": .bool(crowd.isTrue), "condition_now": crowd.json,
    ]
    if let scope = try scope(version, in: tx) { values["scope_now"] = .bool(scope) }
    return Decision(
      run: nil, at: latest.startedAt, outcome: .notTargeted, gate: "segment",
      code: "not_in_segment", values: .object(values))
  }

  private func notLaunched(_ version: PlanVersion?) -> Decision {
    let state = plan.paused ? PlanState.paused : version?.state ?? .draft
    return Decision(
      run: nil, at: now, outcome: .notTargeted, gate: "plan", code: "not_launched",
      values: [
        "state": .string(state.rawValue), "launch_at": .instant(version?.launchAt),
        "reason": .optional(version?.stateReason),
      ])
  }

  /// Nothing that lets people enter has happened to this one.
  private func notTriggered(_ version: PlanVersion) -> Decision {
    Decision(
      run: nil, at: now, outcome: .notTargeted, gate: Gate.trigger.rawValue, code: "not_triggered",
      values: ["state": .string(version.state.rawValue)])
  }

  /// The crowd's condition as approved, or as it stands when it was never submitted.
  private func crowd(
    _ segment: String, _ document: PlanDocument, _ version: PlanVersion, in tx: Transaction
  ) throws -> Evaluation {
    let trigger = document.trigger.condition
    let closure = try closure(version) ?? SegmentStore.closure(of: trigger, in: tx)
    return try evaluate(closure.conditions[segment] ?? trigger, closure, in: tx)
  }

  /// Whether the submitter's user scope has the person; nil without one.
  private func scope(_ version: PlanVersion, in tx: Transaction) throws -> Bool? {
    guard let manifest = try version.manifest.map(Manifest.init(stored:)),
      let scope = manifest.userScope, !scope.isNull
    else { return nil }
    return try evaluate(Condition.stored(scope), manifest.closure, in: tx).isTrue
  }

  private func closure(_ version: PlanVersion) throws -> SegmentClosure? {
    try version.manifest.map(Manifest.init(stored:))?.closure
  }

  private func evaluate(
    _ condition: Condition, _ closure: SegmentClosure, in tx: Transaction
  ) throws -> Evaluation {
    let facts = try SegmentFacts.load(
      user: user, needs: SegmentFacts.Needs(condition, closure: closure), now: now,
      settings: settings, in: tx)
    guard let facts else { throw UserRef.notFound }
    return condition.evaluate(facts, at: now)
  }
}
