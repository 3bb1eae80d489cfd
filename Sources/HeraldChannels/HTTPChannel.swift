import Cryptography
import Foundation
import HTTP
import Herald
import JSON

/// Adapter `http`: one POST per delivery to an endpoint of the operator's own, signed after Standard
/// Webhooks with the idempotency key as `webhook-id`.
struct HTTPChannel: ChannelAdapter {
  let client: HTTPClient
  let url: String
  /// The newest first; the others are being replaced.
  let secrets: [String]
  let resendsSafely: Bool
  let timeout: Duration
  /// Sender: its requests share a bulkhead.
  let group: String
  let now: @Sendable () -> Date

  func send(_ message: OutboundMessage) async -> AttemptOutcome {
    let body = Self.body(of: message).bytes
    let sentAt = now()
    // A clock before 1970 would be refused by every receiver anyway.
    let timestamp = max(0, Int(exactly: sentAt.timeIntervalSince1970.rounded(.down)) ?? 0)
    let signature: String
    do {
      signature = try StandardWebhooks.sign(
        id: message.idempotencyKey, timestamp: timestamp, body: body, secrets: secrets)
    } catch .malformedID {
      return .rejected(reason: "the idempotency key cannot be a webhook-id", addressDead: false)
    } catch {
      return .senderFault(reason: "the signing secret is malformed")
    }
    let request = ClientRequest(
      method: "POST", url: url,
      headers: [
        ("Content-Type", "application/json"), ("webhook-id", message.idempotencyKey),
        ("webhook-timestamp", String(timestamp)), ("webhook-signature", signature),
      ], body: body, timeout: timeout, connectTimeout: min(timeout, .seconds(5)), group: group)
    switch await client.send(request) {
    case .response(let response):
      return Self.outcome(of: response, to: message.channel, now: now())
    case .notSent(let reason): return .retry(after: nil, reason: reason)
    case .forbidden(let reason): return .senderFault(reason: reason)
    case .unknown(let reason): return .unknown(reason: reason)
    }
  }

  static func body(of message: OutboundMessage) -> JSONValue {
    [
      "delivery_id": .string(message.deliveryID.uuidString.lowercased()),
      "idempotency_key": .string(message.idempotencyKey),
      "channel": .string(message.channel.rawValue),
      "to": .object([message.address.kind.rawValue: .string(message.address.value)]),
      "content": message.content,
      "user": [
        "id": .string(message.userID.uuidString.lowercased()),
        "external_id": .optional(message.externalID),
      ],
      "plan": .string(message.plan), "step": .string(message.step),
    ]
  }

  /// What a status means, for every adapter that speaks plain HTTP statuses.
  static func outcome(
    of response: ClientResponse, to channel: Channel, now: Date
  ) -> AttemptOutcome {
    let reason = "HTTP \(response.status)"
    switch response.status {
    case 200..<300:
      let result = channel == .webhook ? word("result", in: response, most: 64) : nil
      return .sent(providerID: word("id", in: response, most: 255), result: result)
    case 401, 403: return .senderFault(reason: reason)
    case 408, 425, 429, 500...:
      return .retry(after: response.retryAfter(now: now), reason: reason)
    case 410: return .rejected(reason: reason, addressDead: true)
    case 300..<400:
      return .rejected(reason: "\(reason): redirects are not followed", addressDead: false)
    default: return .rejected(reason: reason, addressDead: false)
    }
  }

  /// A member of a JSON body; whatever else the body is, the message was taken.
  private static func word(_ name: String, in response: ClientResponse, most: Int) -> String? {
    guard !response.isTruncated, let body = try? JSONScanner.parse(response.body),
      let word = body[name]?.stringValue, (1...most).contains(word.utf8.count)
    else { return nil }
    return word
  }
}
