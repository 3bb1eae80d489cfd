import Foundation
import JSON
import Postgres

extension Reports {
  /// What a plan brought, by step, channel or day, with the goals of its live version. `run`: of
  /// that run alone.
  func report(
    _ plan: String, by dimension: Report.Dimension, run: UUID?, for caller: Caller, now: Date
  ) async throws -> Report {
    let zone = try await settings().timeZone
    return try await snapshot(caller, now) { scope, tx in
      let plan = try PlanStore.load(plan, in: tx)
      try ReportStore.prepare(tx)
      let count = ReportCount(plan: plan, dimension: dimension, zone: zone, scope: scope)
      return try count.report(run: run, in: tx)
    }
  }
}

/// One report in the making.
private struct ReportCount {
  let plan: Plan
  let dimension: Report.Dimension
  let zone: String
  let scope: ReportScope

  func report(run: UUID?, in tx: Transaction) throws -> Report {
    let accounting = try Accounting(plan.key, scope: scope, run: run, peopleOnly: true, in: tx)
    if let run, accounting.runs.isEmpty { throw HeraldError.notFound("run of this plan", run.text) }
    let runs = accounting.runs.map(\.run.id)
    let documents = try documents(Set(accounting.runs.map(\.run.planVersion)), in: tx)
    let coupons = documents.reduce(into: Set<String>()) { $0.formUnion($1.coupons) }
    var rows = try figures(runs, coupons, by: dimension, in: tx)
    if dimension == .step {
      for step in accounting.stepOrder where rows[step] == nil { rows[step] = ReportFigures() }
    }
    var totals = rows.values.reduce(into: ReportFigures()) { $0 += $1 }
    if dimension == .channel, !runs.isEmpty {
      // A delivery that two channels told of counts once.
      let once = try ReportStore.receipts(runs, by: .step, zone: zone, scope: scope, in: tx)
      totals.take(receiptsOf: once.values.reduce(into: ReportFigures()) { $0 += $1 })
      // So does one that went out by two.
      if documents.contains(where: \.followsUp) {
        for (channel, sent) in try ReportStore.followUps(runs, scope: scope, in: tx) {
          rows[channel, default: ReportFigures()].entered += sent
          rows[channel, default: ReportFigures()].sent += sent
        }
      }
    }
    let people = accounting.total.people
    return Report(
      plan: plan.key, dimension: dimension, people: people,
      rows: order(rows, accounting.stepOrder), totals: totals,
      goals: try goals(runs, people, in: tx), races: try RaceStore.list(plan.key, in: tx))
  }

  private func figures(
    _ runs: [UUID], _ coupons: Set<String>, by dimension: Report.Dimension, in tx: Transaction
  ) throws -> [String: ReportFigures] {
    guard !runs.isEmpty else { return [:] }
    var rows = try ReportStore.deliveries(runs, by: dimension, zone: zone, scope: scope, in: tx)
    let receipts = try ReportStore.receipts(
      runs, by: dimension, zone: zone, scope: scope, in: tx)
    for (key, figures) in receipts {
      rows[key, default: ReportFigures()].take(receiptsOf: figures)
    }
    if !coupons.isEmpty {
      let issued = try ReportStore.coupons(
        coupons.sorted(), runs, by: dimension, zone: zone, scope: scope, in: tx)
      for (key, counts) in issued {
        rows[key, default: ReportFigures()].couponsIssued = counts.issued
        rows[key, default: ReportFigures()].couponsRedeemed = counts.redeemed
      }
    }
    return rows
  }

  private func order(_ rows: [String: ReportFigures], _ steps: [String]) -> [Report.Row] {
    let sorted = rows.keys.sorted { left, right in
      let places = (steps.firstIndex(of: left) ?? .max, steps.firstIndex(of: right) ?? .max)
      return places.0 == places.1 ? left < right : places.0 < places.1
    }
    return sorted.map { Report.Row(key: $0, figures: rows[$0] ?? ReportFigures()) }
  }

  private func goals(
    _ runs: [UUID], _ people: Account.People, in tx: Transaction
  ) throws -> [Report.Goal] {
    guard let live = plan.liveVersion, let document = try documents([live], in: tx).first else {
      return []
    }
    return try document.goals.map { goal in
      let converted =
        runs.isEmpty
        ? (treated: 0, heldOut: 0)
        : try ReportStore.conversions(
          runs, event: goal.event, seconds: goal.within.seconds, scope: scope, in: tx)
      return Report.Goal(
        stage: goal.stage, event: goal.event, within: goal.within.description,
        targetRate: goal.targetRate,
        treated: Conversions(people: people.entered, converted: converted.treated),
        heldOut: Conversions(people: people.heldOut, converted: converted.heldOut))
    }
  }

  private func documents(_ versions: Set<Int>, in tx: Transaction) throws -> [PlanDocument] {
    try versions.sorted().map {
      try PlanDocument.stored(PlanStore.version(plan.key, $0, in: tx).document)
    }
  }
}
