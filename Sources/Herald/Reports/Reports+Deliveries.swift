import Foundation
import JSON
import Postgres

extension Reports {
  /// The deliveries of a plan that the caller may see, newest first, each with its attempts.
  func deliveries(
    _ plan: String, _ filter: DeliveryFilter, _ page: PageRequest, for caller: Caller, now: Date
  ) async throws -> Page<DeliveryView> {
    let rows = try await snapshot(caller, now) { scope, tx in
      _ = try PlanStore.load(plan, in: tx)
      return try DeliveryViewStore.list(plan: plan, filter, page, scope: scope, in: tx)
    }
    return Page(rows, page) { [String($0.createdAt.microsecondsSince1970), $0.id.text] }
  }

  /// Sends what failed again, from the first link of its chain and through all gates anew; see
  /// `RetryStore.retry` for what is taken. Asked twice at once it happens once.
  func retry(
    _ key: String, step: String?, by caller: Caller, now: Date
  ) async throws -> RetryOutcome {
    let zone = try await settings().timeZone
    let outcome = try await db.write(timeout: Self.patience) { tx in
      let plan = try PlanStore.lock(key, in: tx)
      let flow = try Self.flow(plan, in: tx)
      if let step, !flow.contains(where: { $0.step == step }) {
        throw HeraldError.invalid(
          "No version of plan '\(key)' has a step '\(step)'.", at: JSONPointer(tokens: ["step"]))
      }
      let scope = try ReportScope(caller, projectZone: zone, now: now, in: tx)
      let retried = try RetryStore.retry(
        key, step: step, flow, scope: scope, now: now, in: tx)
      let left = try RetryStore.left(key, step: step, scope: scope, in: tx)
      if retried > 0 {
        try AuditStore.append(
          AuditEntry(
            "plan.retried", "plan", key,
            after: ["step": .optional(step), "retried": .int(retried), "left": .counts(left)],
            by: caller, at: now), in: tx)
      }
      return RetryOutcome(retried: retried, notRetried: left)
    }
    if outcome.retried > 0 { wake.call() }
    return outcome
  }

  /// Of every version that has run.
  private static func flow(_ plan: Plan, in tx: Transaction) throws -> [RetryStore.Flow] {
    let versions = Set(try AccountingStore.runs(plan.key, in: tx).map(\.planVersion))
    return try versions.sorted().flatMap { version in
      let document = try PlanDocument.stored(
        PlanStore.version(plan.key, version, in: tx).document)
      return document.steps.filter { $0.kind.delivers }.map {
        RetryStore.Flow(
          version: version, step: $0.id, next: $0.next?.id, priority: document.priority)
      }
    }
  }
}
