import Foundation
import JSON
import Postgres

/// Plans that other systems make people enter.
public struct Triggers: Sendable {
  let db: Database
  let wake: Wake
  private let plans = ApprovedPlans()

  public init(db: Database, wake: Wake) {
    self.db = db
    self.wake = wake
  }

  /// Makes one person enter the live version of a plan with an API trigger. A refusal at entry is an
  /// outcome, not an error.
  func trigger(
    _ key: String, user ref: UserRef, properties: JSONObject, by caller: Caller, now: Date
  ) async throws -> EntryStore.Outcome {
    let outcome = try await db.write { tx in
      let plan = try open(key, now: now, in: tx)
      let user = try UserScope.load(ref, for: caller, now: now, in: tx)
      let settings = try SettingsStore.load(in: tx).settings
      let id = UUID()
      let entrant = Entrant(
        user: user, entryKey: id.text, since: now, dueAt: now,
        values: [
          "event": [
            "name": "api", "id": .id(id), "at": .instant(now), "properties": .object(properties),
          ]
        ], key: plan.document.reentry?.key.flatMap { properties[$0] })
      try tx.lookUpByKey()
      if plan.document.reentry != nil { try EntryStore.lock([user], in: tx) }
      let entries = try Entries(plan, project: settings, now: now, in: tx)
      guard let outcome = try entries.enter([entrant], in: tx).first else {
        throw HeraldError(.wrongState, "Today's run of plan '\(key)' was cancelled.")
      }
      return outcome
    }
    wake.call()
    return outcome
  }

  private func open(_ key: String, now: Date, in tx: Transaction) throws -> ApprovedPlan {
    let plan = try PlanStore.load(key, in: tx)
    guard let number = plan.liveVersion, !plan.paused,
      try PlanStore.version(key, number, in: tx).state == .live
    else {
      throw HeraldError(
        .wrongState,
        "Plan '\(key)' is not live; have it approved, or resume it, before it is triggered.")
    }
    let approved = try plans.get(key, number, in: tx)
    guard case .api = approved.document.trigger else {
      throw HeraldError(
        .wrongState, "Plan '\(key)' has no API trigger; its trigger must be {\"api\": true}.")
    }
    if let window = approved.document.window, !window.contains(now) {
      throw HeraldError(.wrongState, "Plan '\(key)' is outside its window.")
    }
    return approved
  }
}
