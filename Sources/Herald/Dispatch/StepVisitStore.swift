import Foundation
import JSON
import Postgres

/// Where a person stands with a step that sends nothing.
enum StepVisitState: String, Sendable, CaseIterable {
  case waiting, passed, failed, exited
}

/// People at steps that send nothing: one row each, from which the counters of steps are counted.
enum StepVisitStore {
  /// Begins steps: the visit and its queue row, due at once. A step looks for itself how long it
  /// waits, so that what happened before its row was there is not missed.
  static func open(_ openings: [Settlement.Opening], now: Date, in tx: Transaction) throws {
    guard !openings.isEmpty else { return }
    let entries = openings.map(\.entry)
    try tx.execute(
      """
      WITH opened AS (
        SELECT * FROM unnest(\(entries.map { Int16(clamping: $0.lane) }),
          \(openings.map(\.deliveryID)), \(entries.map { Int16(clamping: $0.priority) }),
          \(entries.map(\.userID)), \(entries.map(\.runID)), \(entries.map(\.entryKey)),
          \(openings.map(\.step.id)), \(openings.map(\.step.kind.rawValue)),
          \(entries.map(\.enteredAt)), \(entries.map(\.plan)),
          \(entries.map { Int32(clamping: $0.planVersion) }))
          AS o (lane, id, priority, user_id, run_id, entry_key, step_id, kind, entered_at, plan,
            plan_version)
      ), visits AS (
        INSERT INTO step_visits (user_id, run_id, entry_key, step_id, entered_at, plan,
          plan_version, kind, arrived_at)
        SELECT user_id, run_id, entry_key, step_id, entered_at, plan, plan_version, kind, \(now)
        FROM opened
      )
      INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, entry_key, step_id,
        entered_at, plan, plan_version, phase, step_entered_at)
      SELECT lane, id, \(now), priority, user_id, run_id, entry_key, step_id, entered_at, plan,
        plan_version, 'step', \(now) FROM opened
      """)
  }

  /// Ends visits.
  static func leave(_ departures: [Settlement.Departure], now: Date, in tx: Transaction) throws {
    guard !departures.isEmpty else { return }
    let entries = departures.map(\.entry)
    // The run is compared so that its index is kept out, as in `EnrolmentStore.end`.
    try tx.execute(
      """
      UPDATE step_visits v SET state = n.state, outcome = n.outcome, "values" = n."values",
        left_at = \(now)
      FROM unnest(\(entries.map(\.userID)), \(entries.map(\.runID)), \(entries.map(\.entryKey)),
        \(entries.map(\.stepID)), \(entries.map { Int16(clamping: $0.occurrence) }),
        \(entries.map(\.enteredAt)), \(departures.map(\.state.rawValue)),
        \(departures.map(\.outcome)), \(departures.map { $0.values.map { JSONB($0) } }))
        AS n (user_id, run_id, entry_key, step_id, occurrence, entered_at, state, outcome, "values")
      WHERE v.user_id = n.user_id AND v.run_id IS NOT DISTINCT FROM n.run_id
        AND v.entry_key = n.entry_key AND v.step_id = n.step_id AND v.occurrence = n.occurrence
        AND v.entered_at = n.entered_at
      """)
  }

  /// Steps at which the event came that the person waited for.
  static func answered(
    _ enrolments: [EnrolmentName], in db: any Queryable
  ) throws -> [EnrolmentName: Set<String>] {
    guard !enrolments.isEmpty else { return [:] }
    let rows = try db.query(
      """
      SELECT v.user_id, v.run_id, v.entry_key, v.step_id
      FROM unnest(\(enrolments.map(\.user)), \(enrolments.map(\.run)),
        \(enrolments.map(\.entryKey))) AS n (user_id, run_id, entry_key)
      JOIN step_visits v ON v.user_id = n.user_id AND v.run_id IS NOT DISTINCT FROM n.run_id
        AND v.entry_key = n.entry_key
      WHERE v.outcome = 'event'
      """)
    var answered: [EnrolmentName: Set<String>] = [:]
    for row in rows {
      answered[try EnrolmentName(row), default: []].insert(try row.get("step_id"))
    }
    return answered
  }
}

extension EnrolmentName {
  /// From columns `user_id`, `run_id` and `entry_key`.
  init(_ row: Row) throws {
    user = try row.get("user_id")
    run = try row.get("run_id")
    entryKey = try row.get("entry_key")
  }
}
