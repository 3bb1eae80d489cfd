import Foundation
import JSON
import Postgres

/// The ledger of deliveries and their attempts.
enum DeliveryStore {
  static func insert(
    _ attempts: [Settlement.Attempt], now: Date, in tx: Transaction
  ) throws {
    guard !attempts.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO attempts (user_id, delivery_id, link, try, entered_at, run_id, channel, sender,
        status, reason, provider_id, started_at, finished_at)
      SELECT *, \(now) FROM unnest(\(attempts.map(\.entry.userID)),
        \(attempts.map(\.entry.deliveryID)), \(attempts.map { Int16(clamping: $0.link) }),
        \(attempts.map { Int16(clamping: $0.number) }), \(attempts.map(\.entry.enteredAt)),
        \(attempts.map(\.entry.runID)), \(attempts.map(\.channel.rawValue)),
        \(attempts.map(\.sender)), \(attempts.map(\.status)), \(attempts.map(\.reason)),
        \(attempts.map(\.providerID)), \(attempts.map(\.startedAt)))
      ON CONFLICT DO NOTHING
      """)
    let tried = attempts.filter { $0.number > 0 }
    guard !tried.isEmpty else { return }
    // A failure is kept as the reason while the chain goes on.
    try tx.execute(
      """
      UPDATE deliveries d SET attempts = d.attempts + 1, reason = coalesce(n.reason, d.reason)
      FROM unnest(\(tried.map(\.entry.userID)), \(tried.map(\.entry.runID)),
        \(tried.map(\.entry.stepID)), \(tried.map { Int16(clamping: $0.entry.occurrence) }),
        \(tried.map(\.entry.enteredAt)),
        \(tried.map { $0.status == "failed" ? $0.reason : nil }))
        AS n (user_id, run_id, step_id, occurrence, entered_at, reason)
      WHERE d.user_id = n.user_id AND d.run_id = n.run_id AND d.step_id = n.step_id
        AND d.occurrence = n.occurrence AND d.entered_at = n.entered_at
      """)
  }

  /// `sent` stays sent whatever a later link of the chain came to; a chain that was tried and then
  /// found nobody to fall back on has failed, not been skipped.
  static func settle(
    _ outcomes: [Settlement.Outcome], now: Date, in tx: Transaction
  ) throws {
    guard !outcomes.isEmpty else { return }
    try tx.execute(
      """
      UPDATE deliveries d SET
        status = CASE WHEN d.status = 'sent' THEN 'sent'
          WHEN n.status = 'skipped' AND d.attempts > 0 THEN 'failed' ELSE n.status END,
        reason = CASE WHEN d.status = 'sent' OR n.status = 'sent' THEN NULL
          WHEN n.status = 'skipped' AND d.attempts > 0 THEN coalesce(d.reason, n.reason)
          ELSE n.reason END,
        gate = CASE WHEN d.status = 'sent' THEN d.gate ELSE n.gate END,
        "values" = CASE WHEN d.status = 'sent' THEN d."values" ELSE n."values" END,
        channel = CASE WHEN d.status = 'sent' THEN d.channel ELSE coalesce(n.channel, d.channel) END,
        sender = CASE WHEN d.status = 'sent' THEN d.sender ELSE coalesce(n.sender, d.sender) END,
        provider_id = CASE WHEN d.status = 'sent' THEN d.provider_id ELSE n.provider_id END,
        settled_at = \(now)
      FROM unnest(\(outcomes.map(\.entry.userID)), \(outcomes.map(\.entry.runID)),
        \(outcomes.map(\.entry.stepID)), \(outcomes.map { Int16(clamping: $0.entry.occurrence) }),
        \(outcomes.map(\.entry.enteredAt)), \(outcomes.map(\.status.rawValue)),
        \(outcomes.map(\.reason)), \(outcomes.map(\.gate)),
        \(outcomes.map { $0.values.map { JSONB($0) } }), \(outcomes.map { $0.channel?.rawValue }),
        \(outcomes.map(\.sender)), \(outcomes.map(\.providerID)))
        AS n (user_id, run_id, step_id, occurrence, entered_at, status, reason, gate, "values",
          channel, sender, provider_id)
      WHERE d.user_id = n.user_id AND d.run_id = n.run_id AND d.step_id = n.step_id
        AND d.occurrence = n.occurrence AND d.entered_at = n.entered_at
      """)
  }

  /// Begins steps: the delivery and its queue row.
  static func open(_ openings: [Settlement.Opening], now: Date, in tx: Transaction) throws {
    guard !openings.isEmpty else { return }
    let entries = openings.map(\.entry)
    try tx.execute(
      """
      WITH opened AS (
        SELECT * FROM unnest(\(entries.map { Int16(clamping: $0.lane) }),
          \(openings.map(\.deliveryID)), \(entries.map { Int16(clamping: $0.priority) }),
          \(entries.map(\.userID)), \(entries.map(\.runID)), \(openings.map(\.step)),
          \(entries.map(\.enteredAt)), \(entries.map(\.plan)),
          \(entries.map { Int32(clamping: $0.planVersion) }))
          AS o (lane, id, priority, user_id, run_id, step_id, entered_at, plan, plan_version)
      ), ledger AS (
        INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
          possibly_duplicate, created_at)
        SELECT o.user_id, o.run_id, o.step_id, o.entered_at, o.id, o.plan, o.plan_version,
          r.restored, \(now)
        FROM opened o JOIN runs r ON r.id = o.run_id
      )
      INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, step_id,
        entered_at, plan, plan_version, step_entered_at)
      SELECT lane, id, \(now), priority, user_id, run_id, step_id, entered_at, plan, plan_version,
        \(now) FROM opened
      """)
  }

  /// Whether one of these receipts came in for a delivery.
  static func haveReceipt(
    _ wanted: [(id: UUID, event: String)], in db: any Queryable
  ) throws -> Set<UUID> {
    guard !wanted.isEmpty else { return [] }
    // A click proves the opening, an opening the delivery.
    let rows = try db.query(
      """
      SELECT DISTINCT r.delivery_id FROM receipts r
      JOIN unnest(\(wanted.map(\.id)), \(wanted.map(\.event))) AS w (id, event)
        ON r.delivery_id = w.id
      WHERE r.event = w.event OR (w.event = 'delivered' AND r.event IN ('opened', 'clicked'))
        OR (w.event = 'opened' AND r.event = 'clicked')
      """)
    return Set(try rows.map { try $0.get(0, as: UUID.self) })
  }
}
