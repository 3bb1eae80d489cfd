import Cryptography
import JSON

/// The key that the secrets of senders and sources are stored under, from `HERALD_SECRETS_KEY`.
public struct SecretsKey: Sendable {
  private let bytes: [UInt8]

  /// Nil unless there are 32 bytes.
  public init?(bytes: [UInt8]) {
    guard bytes.count == AESGCM.keyByteCount else { return nil }
    self.bytes = bytes
  }

  /// 64 hexadecimal digits, or the base64 (standard or URL alphabet) of 32 bytes.
  public init?(text: String) {
    let candidates = [Hex.decode(text), Base64.decode(text), Base64.decodeURL(text)]
    guard let bytes = candidates.compactMap(\.self).first(where: { $0.count == 32 }) else {
      return nil
    }
    self.init(bytes: bytes)
  }

  public static func random() -> SecretsKey { SecretsKey(unchecked: randomBytes(32)) }

  private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

  /// A key for one other purpose, which says nothing about this one.
  func derived(for purpose: String) -> [UInt8] {
    HMACSHA256.authenticate(Array("herald \(purpose)".utf8), key: bytes)
  }

  /// Bound to the sender: what is sealed for one opens for no other.
  func seal(_ secrets: JSONObject, sender: String) throws -> [UInt8] {
    try seal(secrets, boundTo: sender)
  }

  func open(_ sealed: [UInt8], sender: String) throws -> JSONObject {
    try open(sealed, boundTo: sender, "sender '\(sender)'")
  }

  /// The colon keeps these apart from those of a sender of the same key.
  func seal(_ secrets: JSONObject, source: String) throws -> [UInt8] {
    try seal(secrets, boundTo: "source:\(source)")
  }

  func open(_ sealed: [UInt8], source: String) throws -> JSONObject {
    try open(sealed, boundTo: "source:\(source)", "source '\(source)'")
  }

  private func seal(_ secrets: JSONObject, boundTo owner: String) throws -> [UInt8] {
    try AESGCM.seal(
      JSONValue.object(secrets).bytes, key: bytes, additionalData: Array(owner.utf8))
  }

  private func open(
    _ sealed: [UInt8], boundTo owner: String, _ words: String
  ) throws -> JSONObject {
    do {
      let plain = try AESGCM.open(sealed, key: bytes, additionalData: Array(owner.utf8))
      guard let secrets = try JSONScanner.parse(plain).objectValue else { throw Unreadable() }
      return secrets
    } catch {
      throw HeraldError(
        .secretsUnreadable,
        "The secrets of \(words) cannot be read with this HERALD_SECRETS_KEY; start Herald with "
          + "the key they were saved under, or save it with its secrets again."
      )
    }
  }

  private struct Unreadable: Error {}
}

extension ErrorCode {
  /// Secrets were sealed under another key.
  public static let secretsUnreadable = ErrorCode("secrets_unreadable", 409)
}
