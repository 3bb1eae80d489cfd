import Foundation
import Postgres

/// A delivery that a receipt may speak of.
struct ReceiptTarget: Sendable {
  let deliveryID: UUID
  let userID: UUID
  let runID: UUID
  let step: String
  let plan: String
  let createdAt: Date
  let isPending: Bool
}

/// A receipt that was new.
struct StoredReceipt: Sendable {
  let deliveryID: UUID
  let userID: UUID
  let event: Receipt.Event
  let at: Date
}

enum ReceiptStore {
  /// Deliveries out of `ids` that this sender has, or may just have, handed over: one provider's
  /// signature says nothing about another's messages. By id.
  static func targets(
    _ ids: [UUID], sender: String, in db: any Queryable
  ) throws -> [UUID: ReceiptTarget] {
    // deliveries_id_idx; a delivery still pending may have an attempt under way whose row is not
    // written yet.
    let rows = try db.query(
      """
      SELECT d.id, d.user_id, d.run_id, d.step_id, d.plan, d.created_at,
        d.status = 'pending' AS pending
      FROM deliveries d
      WHERE d.id = ANY(\(ids)) AND (d.status = 'pending' OR d.sender = \(sender)
        OR EXISTS (SELECT FROM attempts a
          WHERE a.user_id = d.user_id AND a.delivery_id = d.id AND a.sender = \(sender)))
      """)
    var targets: [UUID: ReceiptTarget] = [:]
    for row in rows {
      let id: UUID = try row.get("id")
      targets[id] = ReceiptTarget(
        deliveryID: id, userID: try row.get("user_id"), runID: try row.get("run_id"),
        step: try row.get("step_id"), plan: try row.get("plan"),
        createdAt: try row.get("created_at"), isPending: try row.get("pending"))
    }
    return targets
  }

  /// Adds those that are not there yet and returns them. `receipts` must be sorted by user and
  /// delivery, so that two callbacks do not wait for each other crosswise.
  static func insert(
    _ receipts: [(receipt: Receipt, target: ReceiptTarget)], sender: Sender, now: Date,
    in tx: Transaction
  ) throws -> [StoredReceipt] {
    let rows = try tx.query(
      """
      INSERT INTO receipts (user_id, delivery_id, event, at, run_id, step_id, plan, channel, sender,
        received_at)
      SELECT u, d, e, at, r, s, p, \(sender.channel.rawValue), \(sender.key), \(now)
      FROM unnest(\(receipts.map(\.target.userID)), \(receipts.map(\.target.deliveryID)),
        \(receipts.map(\.receipt.event.rawValue)), \(receipts.map(\.receipt.at)),
        \(receipts.map(\.target.runID)), \(receipts.map(\.target.step)),
        \(receipts.map(\.target.plan))) AS t (u, d, e, at, r, s, p)
      ON CONFLICT DO NOTHING
      RETURNING user_id, delivery_id, event, at
      """)
    return try rows.compactMap { row in
      guard let event = Receipt.Event(rawValue: try row.get("event")) else { return nil }
      return StoredReceipt(
        deliveryID: try row.get("delivery_id"), userID: try row.get("user_id"), event: event,
        at: try row.get("at"))
    }
  }

  /// Waits for whoever is settling one of these, or makes him wait: either he finds the receipts, or
  /// they find what he settled.
  static func lockPending(_ ids: [UUID], in tx: Transaction) throws {
    try tx.execute(
      """
      SELECT 1 FROM deliveries WHERE id = ANY(\(ids)) AND status = 'pending'
      ORDER BY user_id, id FOR SHARE
      """)
  }

  /// Deliveries whose hand-over to this sender got no answer turn out to have been sent.
  static func settleUnknown(
    _ targets: [(user: UUID, delivery: UUID)], sender: String, now: Date, in tx: Transaction
  ) throws {
    let users = targets.map(\.user)
    let ids = targets.map(\.delivery)
    let settled = try tx.query(
      """
      WITH known AS (
        SELECT d.user_id, d.id, d.entered_at FROM deliveries d
        WHERE d.id = ANY(\(ids)) AND d.user_id = ANY(\(users)) AND d.status = 'unknown'
          AND d.sender = \(sender)
        ORDER BY d.user_id, d.id FOR UPDATE)
      UPDATE deliveries d SET status = 'sent', reason = NULL, settled_at = \(now)
      FROM known
      WHERE d.id = known.id AND d.user_id = known.user_id AND d.entered_at = known.entered_at
      RETURNING d.user_id, d.id
      """)
    guard !settled.isEmpty else { return }
    try tx.execute(
      """
      UPDATE attempts SET status = 'sent', reason = NULL, finished_at = coalesce(finished_at, \(now))
      WHERE user_id = ANY(\(try settled.map { try $0.get("user_id", as: UUID.self) }))
        AND delivery_id = ANY(\(try settled.map { try $0.get("id", as: UUID.self) }))
        AND sender = \(sender) AND status = 'unknown'
      """)
  }

  /// The same for deliveries that end unknown after a receipt came in, of whichever sender.
  static func settleUnknown(
    withReceipts targets: [(user: UUID, delivery: UUID)], now: Date, in tx: Transaction
  ) throws {
    guard !targets.isEmpty else { return }
    let proofs = Receipt.Event.allCases.filter(\.provesHandOver).map(\.rawValue)
    // By receipts_delivery_idx.
    let rows = try tx.query(
      """
      SELECT DISTINCT r.user_id, r.delivery_id, r.sender FROM receipts r
      WHERE r.delivery_id = ANY(\(targets.map(\.delivery))) AND r.event = ANY(\(proofs))
      """)
    var proven: [String: [(user: UUID, delivery: UUID)]] = [:]
    for row in rows {
      proven[try row.get("sender"), default: []].append(
        (user: try row.get("user_id"), delivery: try row.get("delivery_id")))
    }
    for (sender, targets) in proven {
      try settleUnknown(targets, sender: sender, now: now, in: tx)
    }
  }
}
