import Foundation
import JSON

/// What a provider says later of a delivery. The same receipt may come many times.
public struct Receipt: Sendable, Equatable {
  public enum Event: String, Sendable, CaseIterable {
    case delivered, opened, clicked, bounced, unsubscribed, uninstalled

    /// Tells that the provider did take the message, whatever became of it then.
    var provesHandOver: Bool { self != .uninstalled && self != .unsubscribed }
  }

  /// Position in the callback, for the answer.
  public let index: Int
  public let deliveryID: UUID
  public let event: Event
  public let at: Date

  public init(index: Int, deliveryID: UUID, event: Event, at: Date) {
    self.index = index
    self.deliveryID = deliveryID
    self.event = event
    self.at = at
  }
}

/// A callback taken apart: what could be read and what could not.
public struct ReceiptBatch: Sendable {
  /// An item that was not taken, and why; the fault points into the callback.
  public struct Rejection: Sendable {
    public let index: Int
    public let fault: JSONFault

    public init(index: Int, fault: JSONFault) {
      self.index = index
      self.fault = fault
    }
  }

  public var receipts: [Receipt]
  public var rejected: [Rejection]

  public init(receipts: [Receipt] = [], rejected: [Rejection] = []) {
    self.receipts = receipts
    self.rejected = rejected
  }
}
