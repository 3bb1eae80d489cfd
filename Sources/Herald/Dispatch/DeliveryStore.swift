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
  }

  /// What one settlement does to one delivery: hand-overs that count as attempts, and its state.
  struct Change {
    let entry: QueueEntry
    var attempts = 0
    /// Of a failed attempt: kept as the reason while the chain goes on.
    var failure: String?
    /// It waits: told until it goes out or is skipped.
    var deferral: Gatekeeper.Deferral?
    var outcome: Settlement.Outcome?

    fileprivate var waits: Gatekeeper.Deferral? { outcome == nil ? deferral : nil }

    /// Whether an earlier link may have failed: the chain goes on at the next one only then.
    fileprivate var mayHaveFailed: Bool { outcome?.status == .skipped && entry.link > 0 }
  }

  /// `sent` stays sent whatever a later link of the chain came to. A chain of which a link failed and
  /// that then found nobody to fall back on has failed, not been skipped, and tells of that link;
  /// one that was only to be tried again is skipped like any other. Its attempts are written before.
  static func update(_ changes: [Change], now: Date, in tx: Transaction) throws {
    guard !changes.isEmpty else { return }
    // By the delivery's id and its person's, never by the run: before its table is analysed, the
    // index on runs looks as selective to the planner as the primary key, and is a thousand times
    // slower.
    try tx.execute(
      """
      UPDATE deliveries d SET attempts = d.attempts + n.attempts,
        status = CASE WHEN n.status IS NULL OR d.status = 'sent' THEN d.status
          WHEN f.channel IS NOT NULL THEN 'failed' ELSE n.status END,
        reason = CASE WHEN n.status IS NULL AND d.status = 'pending'
            THEN coalesce(n.reason, n.failure, d.reason)
          WHEN n.status IS NULL THEN coalesce(n.failure, d.reason)
          WHEN d.status = 'sent' OR n.status = 'sent' THEN NULL
          WHEN f.channel IS NOT NULL THEN coalesce(f.reason, n.reason) ELSE n.reason END,
        gate = CASE WHEN d.status = 'sent' THEN d.gate
          WHEN n.status IS NULL THEN coalesce(n.gate, d.gate)
          WHEN f.channel IS NULL THEN n.gate END,
        "values" = CASE WHEN d.status = 'sent' THEN d."values"
          WHEN n.status IS NULL THEN coalesce(n."values", d."values")
          WHEN f.channel IS NULL THEN n."values" END,
        channel = CASE WHEN d.status = 'sent' THEN d.channel
          ELSE coalesce(f.channel, n.channel, d.channel) END,
        sender = CASE WHEN d.status = 'sent' THEN d.sender
          ELSE coalesce(f.sender, n.sender, d.sender) END,
        provider_id = CASE WHEN n.status IS NULL OR d.status = 'sent' THEN d.provider_id
          ELSE n.provider_id END,
        settled_at = CASE WHEN n.status IS NULL THEN d.settled_at ELSE \(now) END
      FROM unnest(\(changes.map(\.entry.userID)), \(changes.map(\.entry.deliveryID)),
        \(changes.map(\.entry.enteredAt)), \(changes.map { Int16(clamping: $0.attempts) }),
        \(changes.map(\.failure)), \(changes.map { $0.outcome?.status.rawValue }),
        \(changes.map { $0.outcome?.reason ?? $0.waits?.code?.rawValue }),
        \(changes.map { $0.outcome?.gate ?? $0.waits?.gate.rawValue }),
        \(changes.map { ($0.outcome?.values ?? $0.waits?.values).map { JSONB($0) } }),
        \(changes.map { $0.outcome?.channel?.rawValue }), \(changes.map { $0.outcome?.sender }),
        \(changes.map { $0.outcome?.providerID }), \(changes.map(\.mayHaveFailed)))
        AS n (user_id, id, entered_at, attempts, failure, status, reason, gate, "values", channel,
          sender, provider_id, may_have_failed)
      -- By the primary key, and for those few only. What was tried before the delivery was taken up
      -- anew has negative numbers.
      LEFT JOIN LATERAL (SELECT a.channel, a.sender, a.reason FROM attempts a
        WHERE n.may_have_failed AND a.user_id = n.user_id AND a.delivery_id = n.id
          AND a.entered_at = n.entered_at AND a.status = 'failed' AND a.try > 0
        ORDER BY a.link DESC, a.try DESC LIMIT 1) AS f ON true
      WHERE d.user_id = n.user_id AND d.id = n.id AND d.entered_at = n.entered_at
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
          \(entries.map(\.userID)), \(entries.map(\.runID)), \(entries.map(\.entryKey)),
          \(openings.map(\.step.id)),
          \(entries.map(\.enteredAt)), \(entries.map(\.plan)),
          \(entries.map { Int32(clamping: $0.planVersion) }),
          \(entries.map { $0.phase == .entry ? $0.stepEnteredAt : now }))
          AS o (lane, id, priority, user_id, run_id, entry_key, step_id, entered_at, plan,
            plan_version, step_entered_at)
      ), ledger AS (
        INSERT INTO deliveries (user_id, run_id, entry_key, step_id, entered_at, id, plan,
          plan_version, possibly_duplicate, created_at)
        SELECT o.user_id, o.run_id, o.entry_key, o.step_id, o.entered_at, o.id, o.plan, o.plan_version,
          r.restored, \(now)
        FROM opened o JOIN runs r ON r.id = o.run_id
      )
      INSERT INTO queue (lane, delivery_id, due_at, priority, user_id, run_id, entry_key,
        step_id, entered_at, plan, plan_version, step_entered_at)
      SELECT lane, id, \(now), priority, user_id, run_id, entry_key, step_id, entered_at, plan, plan_version,
        step_entered_at FROM opened
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
    return try rows.ids()
  }
}
