import Foundation
import JSON

/// What a provider says later of a delivery.
public enum ReceiptEvent: String, CaseIterable, Sendable {
  case delivered, opened, clicked, bounced, unsubscribed, uninstalled
}

/// One receipt out of a callback. The same receipt may come many times.
public struct ReceivedReceipt: Sendable, Equatable {
  /// Position in the callback, for the answer.
  public let index: Int
  public let deliveryID: UUID
  public let event: ReceiptEvent
  public let at: Date

  public init(index: Int, deliveryID: UUID, event: ReceiptEvent, at: Date) {
    self.index = index
    self.deliveryID = deliveryID
    self.event = event
    self.at = at
  }
}

/// A callback taken apart: what could be read and what could not.
public struct ReceiptBatch: Sendable {
  public var receipts: [ReceivedReceipt]
  public var rejected: [(index: Int, fault: JSONFault)]

  public init(receipts: [ReceivedReceipt] = [], rejected: [(index: Int, fault: JSONFault)] = []) {
    self.receipts = receipts
    self.rejected = rejected
  }
}
