import Foundation
import Herald
import JSON

/// One call of the `http` adapter as the gateway saw it.
public struct GatewayCall: Sendable {
  public let deliveryID: String
  public let idempotencyKey: String
  public let channel: String
  public let to: JSONValue
  public let content: JSONValue
  public let user: JSONValue
  public let plan: String
  public let step: String
  public let arrivedAt: Date
  /// 1 for the first call under this idempotency key.
  public let attempt: Int
  /// Whether the signature held; nil when none was asked for.
  public let isVerified: Bool?
  /// What was answered.
  public let status: Int
  /// SHA-256 of the body, in hex: whether a repeat was the same to the byte.
  public let bodyDigest: String

  /// The line of the log.
  public var json: JSONValue {
    [
      "delivery_id": .string(deliveryID), "idempotency_key": .string(idempotencyKey),
      "channel": .string(channel), "to": to, "arrived_at": .instant(arrivedAt),
      "attempt": .int(attempt), "verified": isVerified.map(JSONValue.bool) ?? .null,
      "status": .int(status), "content": content, "user": user, "plan": .string(plan),
      "step": .string(step), "body_sha256": .string(bodyDigest),
    ]
  }
}
