import Foundation
import HTTP
import JSON

/// Where a message goes: what to dial, and for device tokens whose they are.
public struct Address: Sendable, Hashable {
  public enum Kind: String, CaseIterable, Sendable {
    case phone, token, email, openid
    case userID = "user_id"
  }

  public let kind: Kind
  public let value: String
  /// The adapter family a device token belongs to (`apns`, `fcm`, …).
  public let provider: String?

  public init(kind: Kind, value: String, provider: String? = nil) {
    self.kind = kind
    self.value = value
    self.provider = provider
  }
}

/// One rendered message to one person, ready to be handed over.
public struct OutboundMessage: Sendable {
  public let deliveryID: UUID
  /// Stable over every retry of one link of a delivery's chain.
  public let idempotencyKey: String
  public let channel: Channel
  public let address: Address
  public let content: JSONValue
  public let userID: UUID
  public let externalID: String?
  public let plan: String
  public let step: String

  public init(
    deliveryID: UUID, idempotencyKey: String, channel: Channel, address: Address,
    content: JSONValue, userID: UUID, externalID: String?, plan: String, step: String
  ) {
    self.deliveryID = deliveryID
    self.idempotencyKey = idempotencyKey
    self.channel = channel
    self.address = address
    self.content = content
    self.userID = userID
    self.externalID = externalID
    self.plan = plan
    self.step = step
  }
}

/// What became of one hand-over.
public enum AttemptOutcome: Sendable, Equatable {
  /// The provider has taken it; `providerID` is its name for the message, `result` what it answered
  /// to a webhook: a word that plans may go on by.
  case sent(providerID: String?, result: String? = nil)
  /// Surely not taken, and may be tried again: not before `after`, when the provider said so.
  case retry(after: Duration?, reason: String)
  /// Refused for good. `addressDead`: no message will ever reach this address.
  case rejected(reason: String, addressDead: Bool)
  /// The account is at fault (credentials, suspended): surely not taken, the sender is to be paused.
  case senderFault(reason: String)
  /// Perhaps taken: no answer came. Never sent again by itself unless the adapter `resendsSafely`.
  case unknown(reason: String)
}

/// Speaks one provider's protocol for one configured sender.
///
/// Outcomes are returned, never thrown. `send` ends by itself within the sender's timeout and a
/// second; it is called concurrently, up to the sender's `concurrency`.
public protocol ChannelAdapter: Sendable {
  /// The receiver de-duplicates by idempotency key, so that an unknown outcome may be sent again.
  var resendsSafely: Bool { get }

  func send(_ message: OutboundMessage) async -> AttemptOutcome

  /// Reads a provider's callback. The signature is verified on the raw bytes before anything is
  /// parsed: 401 when it does not hold. 422 when the body as a whole is none of this provider's.
  func receipts(_ request: Request, now: Date) throws -> ReceiptBatch

  /// Lets go of connections and files. No `send` follows.
  func shutdown() async
}

extension ChannelAdapter {
  public func shutdown() async {}
}
