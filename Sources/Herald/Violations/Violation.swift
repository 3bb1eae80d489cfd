import Cryptography
import Foundation
import JSON

/// Something a client sent that could not be taken as it was, and could not be told so.
public struct Violation: Sendable {
  /// By content: told again, after a client's retry, it is the same one.
  public let id: UUID
  public let at: Date
  /// The way it came in: `tracking`, or of a flagged event that of its message ids.
  public let source: String
  public let principal: String
  public let code: String
  /// Into the payload.
  public let pointer: String
  public let detail: String
  /// Whether it was stored all the same.
  public let isStored: Bool
  public let messageID: String?
  /// The name and the user of the event that was stored; nil for what was not, or is not known.
  public let event: String?
  public let user: UUID?
  /// The first bytes of what was sent, as text.
  public let payload: String
  /// Of the whole.
  public let payloadBytes: Int

  /// Bytes kept of what was sent.
  static let payloadLimit = 32 << 10

  init(
    _ fault: JSONFault, isStored: Bool = false, messageID: String? = nil,
    of bytes: ArraySlice<UInt8>,
    source: String, by caller: Caller, now: Date
  ) {
    at = now
    self.source = source
    principal = caller.principal
    code = fault.code.rawValue
    pointer = fault.pointer.description
    detail = fault.detail
    self.isStored = isStored
    self.messageID = messageID.map(Self.storable)
    event = nil
    user = nil
    // What made it a violation may be that it is no text; PostgreSQL has none with U+0000.
    payload = Self.storable(String(decoding: bytes.prefix(Self.payloadLimit), as: UTF8.self))
    payloadBytes = bytes.count
    var hash = SHA256()
    for part in [source, principal, fault.code.rawValue, fault.pointer.description] {
      hash.update(part.utf8)
      hash.update(0)
    }
    hash.update(bytes)
    id = UUID(prefixOf: hash.finalize()) ?? UUID()
  }

  /// Of an event that was stored, though it does not fit its declaration; by the event's id.
  init(_ stored: StoredEvent, _ faults: [JSONFault], of incoming: IncomingEvent) {
    id = stored.id
    at = stored.receivedAt
    source = incoming.source
    principal = incoming.principal
    code = faults.first?.code.rawValue ?? "flagged"
    pointer = faults.first?.pointer.description ?? ""
    detail = faults.map { "\($0.pointer): \($0.detail)" }.joined(separator: " ")
    isStored = true
    messageID = incoming.event.messageID
    event = stored.name
    user = stored.user
    let bytes =
      Array(#"{"name":"#.utf8) + JSONValue.string(stored.name).bytes
      + Array(#","properties":"#.utf8) + stored.properties + Array("}".utf8)
    payload = String(decoding: bytes.prefix(Self.payloadLimit), as: UTF8.self)
    payloadBytes = bytes.count
  }

  private static func storable(_ text: String) -> String {
    text.utf8.contains(0) ? text.replacingOccurrences(of: "\0", with: "\u{FFFD}") : text
  }
}
