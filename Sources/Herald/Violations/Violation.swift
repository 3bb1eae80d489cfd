import Cryptography
import Foundation
import JSON

/// Something a client sent that could not be taken as it was, and could not be told so.
public struct Violation: Sendable {
  /// By content: told again, after a client's retry, it is the same one.
  public let id: UUID
  public let at: Date
  /// The way it came in: `tracking`.
  public let source: String
  public let principal: String
  public let code: String
  /// Into the payload.
  public let pointer: String
  public let detail: String
  /// Whether it was stored all the same.
  public let isStored: Bool
  public let messageID: String?
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

  private static func storable(_ text: String) -> String {
    text.utf8.contains(0) ? text.replacingOccurrences(of: "\0", with: "\u{FFFD}") : text
  }
}
