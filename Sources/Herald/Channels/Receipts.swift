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
    let pending = known.filter(\.target.isPending).map(\.target.deliveryID)
    if !pending.isEmpty { try ReceiptStore.lockPending(pending, in: tx) }
    let new = try ReceiptStore.insert(known, sender: sender, now: now, in: tx)
    summary.accepted = new.count
    summary.duplicates = known.count - new.count
    let proven = known.filter { $0.receipt.event.provesHandOver }.map {
      (user: $0.target.userID, delivery: $0.target.deliveryID)
    }
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
    let taking = new.filter { [.unsubscribed, .uninstalled, .bounced].contains($0.event) }
    guard !taking.isEmpty else { return }
    try IdentityLock.share(in: tx)
    let standing = try UserStore.standing(taking.map(\.userID), in: tx)
    let losses = { (event: Receipt.Event) in Self.losses(taking, targets, event, standing) }
    let unsubscribed = losses(.unsubscribed)
    if !unsubscribed.isEmpty {
      try ReachStore.denyConsent(unsubscribed, channel: sender.channel, now: now, in: tx)
    }
    let uninstalled = losses(.uninstalled)
    if !uninstalled.isEmpty {
      try ReachStore.killDevices(uninstalled, providers: kind.tokenProviders, now: now, in: tx)
    }
    let bounced = losses(.bounced)
    guard !bounced.isEmpty else { return }
    if sender.channel == .push {
      try ReachStore.killDevices(bounced, providers: kind.tokenProviders, now: now, in: tx)
    } else if let identity = sender.channel.identityKind {
      try ReachStore.suppressAddresses(bounced, kind: identity, now: now, in: tx)
    }
  }

  /// The last of each user, in their order. `standing`: who stands for the users of deliveries now.
  private static func losses(
    _ receipts: [StoredReceipt], _ targets: [UUID: ReceiptTarget], _ event: Receipt.Event,
    _ standing: [UUID: UUID]
  ) -> [ReachLoss] {
    var found: [UUID: ReachLoss] = [:]
    for receipt in receipts where receipt.event == event {
      let user = standing[receipt.userID] ?? receipt.userID
      if let known = found[user], known.at >= receipt.at { continue }
      let sentAt = targets[receipt.deliveryID]?.createdAt ?? receipt.at
      found[user] = ReachLoss(userID: user, sentAt: sentAt, at: receipt.at)
    }
    return found.values.sorted { $0.userID.text < $1.userID.text }
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
