import Foundation
import HTTP
import JSON
import Postgres

/// What became of a callback's items.
struct ReceiptSummary: Sendable {
  var accepted = 0
  var duplicates = 0
  var rejected: [ReceiptBatch.Rejection] = []
}

/// Takes in what providers say later of deliveries.
public struct Receipts: Sendable {
  let db: Database
  let senders: Senders

  public init(db: Database, senders: Senders) {
    self.db = db
    self.senders = senders
  }

  /// The adapter verifies the signature. Idempotent: a callback sent twice changes nothing.
  func take(_ request: Request, from key: String, now: Date) async throws -> ReceiptSummary {
    let stored = try await senders.get(key)
    let batch = try senders.adapter(for: stored).receipts(request, now: now)
    let kind = try senders.kind(of: stored)
    guard !batch.receipts.isEmpty else { return ReceiptSummary(rejected: batch.rejected) }
    var summary = try await db.write { tx in
      try Self.record(batch.receipts, of: stored.sender, kind, now: now, in: tx)
    }
    summary.rejected = (batch.rejected + summary.rejected).sorted { $0.index < $1.index }
    return summary
  }

  private static func record(
    _ receipts: [Receipt], of sender: Sender, _ kind: AdapterKind, now: Date, in tx: Transaction
  ) throws -> ReceiptSummary {
    let ids = Array(Set(receipts.map(\.deliveryID)))
    let targets = try ReceiptStore.targets(ids, sender: sender.key, in: tx)
    var summary = ReceiptSummary()
    var known: [(receipt: Receipt, target: ReceiptTarget)] = []
    for receipt in receipts {
      if let target = targets[receipt.deliveryID] {
        known.append((receipt, target))
      } else {
        summary.rejected.append(.unknownDelivery(receipt))
      }
    }
    guard !known.isEmpty else { return summary }
    known.sort { $0.target.order < $1.target.order }
    let new = try ReceiptStore.insert(known, sender: sender, now: now, in: tx)
    summary.accepted = new.count
    summary.duplicates = known.count - new.count
    let proven = known.filter { $0.receipt.event.provesHandOver }.map(\.target)
    if !proven.isEmpty {
      try ReceiptStore.settleUnknown(proven, sender: sender.key, now: now, in: tx)
    }
    try apply(new, targets, of: sender, kind, now: now, in: tx)
    return summary
  }

  /// What new receipts take away from their users.
  private static func apply(
    _ new: [StoredReceipt], _ targets: [UUID: ReceiptTarget], of sender: Sender,
    _ kind: AdapterKind, now: Date, in tx: Transaction
  ) throws {
    let unsubscribed = latest(new, .unsubscribed)
    if !unsubscribed.isEmpty {
      try ReachStore.denyConsent(of: unsubscribed, channel: sender.channel, now: now, in: tx)
    }
    let uninstalled = latest(new, .uninstalled)
    if !uninstalled.isEmpty {
      try ReachStore.killDevices(
        of: uninstalled, providers: kind.tokenProviders, now: now, in: tx)
    }
    // The address is the one of the day the delivery was made, not of the day it bounced.
    let bounced = latest(new, .bounced) { targets[$0.deliveryID]?.createdAt ?? $0.at }
    guard !bounced.isEmpty else { return }
    if sender.channel == .push {
      try ReachStore.killDevices(of: bounced, providers: kind.tokenProviders, now: now, in: tx)
    } else if let identity = sender.channel.identityKind {
      try ReachStore.suppressAddresses(of: bounced, kind: identity, now: now, in: tx)
    }
  }

  /// One entry per user, in their order.
  private static func latest(
    _ receipts: [StoredReceipt], _ event: Receipt.Event,
    at: (StoredReceipt) -> Date = { $0.at }
  ) -> [(userID: UUID, at: Date)] {
    var found: [UUID: Date] = [:]
    for receipt in receipts where receipt.event == event {
      found[receipt.userID] = max(found[receipt.userID] ?? .distantPast, at(receipt))
    }
    return found.sorted { $0.key.text < $1.key.text }.map { ($0.key, $0.value) }
  }
}

extension ReceiptTarget {
  fileprivate var order: String { userID.text + deliveryID.text }
}

extension ReceiptBatch.Rejection {
  fileprivate static func unknownDelivery(_ receipt: Receipt) -> ReceiptBatch.Rejection {
    ReceiptBatch.Rejection(
      index: receipt.index,
      fault: JSONFault(
        "unknown_delivery",
        at: JSONPointer(tokens: ["receipts", "\(receipt.index)", "delivery_id"]),
        "This sender has no delivery \(receipt.deliveryID.text)."))
  }
}
