import Cryptography
import Foundation
import JSON

/// One message to be sent by hand.
struct SenderTest: Sendable {
  let address: Address
  let content: JSONValue

  /// As plan and step of the message.
  static let origin = "sender_test"

  func message(for sender: Sender, now: Date) throws -> OutboundMessage {
    if let shape = ContentShape.of(sender.channel) {
      let faults = Faults()
      shape.check(content, at: JSONPointer(tokens: ["content"]), faults: faults)
      guard faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    }
    let id = UUIDv7.next(now: now)
    return OutboundMessage(
      deliveryID: id, idempotencyKey: id.text, channel: sender.channel, address: address,
      content: content, userID: Caller.herald.keyID, externalID: nil, plan: Self.origin,
      step: Self.origin)
  }
}

extension SenderTest {
  init?(_ reader: ObjectReader) {
    let address = reader.object("to", required: true).flatMap(Self.address)
    let content = reader.value("content", required: true)
    if let content, content.objectValue == nil {
      reader.add(
        .typeMismatch, "content", "An object is expected here, not \(content.article).")
    }
    guard let address, let content else { return nil }
    self.init(address: address, content: content)
  }

  private static func address(_ reader: ObjectReader) -> Address? {
    var found: [Address] = []
    for kind in Address.Kind.allCases {
      let value = reader.string(kind.rawValue, minLength: 1, maxLength: 4096)
      if let value { found.append(Address(kind: kind, value: value)) }
    }
    reader.finish()
    guard found.count == 1 else {
      let kinds = Address.Kind.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      reader.faults.add(.required, at: reader.pointer, "Give exactly one of \(kinds).")
      return nil
    }
    return found.first
  }
}

extension AttemptOutcome {
  /// The answer to a test.
  var json: JSONValue {
    var word = "sent"
    var provider: String?
    var reason: String?
    var wait: Double?
    var dead = false
    switch self {
    case .sent(let id, _): provider = id
    case .retry(let after, let why):
      (word, reason) = ("retry", why)
      wait = after.map { Double($0.components.seconds) + Double($0.components.attoseconds) / 1e18 }
    case .rejected(let why, let addressDead): (word, reason, dead) = ("rejected", why, addressDead)
    case .senderFault(let why): (word, reason) = ("sender_fault", why)
    case .unknown(let why): (word, reason) = ("unknown", why)
    }
    return [
      "outcome": .string(word), "provider_id": .optional(provider), "reason": .optional(reason),
      "retry_after": wait.map(JSONValue.double) ?? .null, "address_dead": .bool(dead),
    ]
  }
}
