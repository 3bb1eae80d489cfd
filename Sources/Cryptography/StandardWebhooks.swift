/// Signatures of webhooks after the Standard Webhooks specification, version `v1` (HMAC-SHA256 over
/// `<id>.<timestamp>.<body>`), to sign what is sent and to verify what comes in.
///
/// A secret is `whsec_` and the base64 of 24 to 64 random bytes; the prefix may be missing.
public enum StandardWebhooks {
  public enum Failure: Error, Sendable, Equatable {
    /// Not the base64 of 24 to 64 bytes, or no secret at all.
    case malformedSecret
    /// Empty, or with a ".", which would make the signed content ambiguous.
    case malformedID
    /// Not a plain decimal number of seconds.
    case malformedTimestamp
    /// More than the tolerance before or after now: a replay, or a wrong clock.
    case outsideTolerance
    /// No `v1` signature that any of the secrets gives.
    case noMatchingSignature
  }

  public static let defaultTolerance: Duration = .seconds(300)
  private static let prefix = "whsec_"

  /// A fresh secret of 32 random bytes.
  public static func makeSecret() -> String { prefix + Base64.encode(randomBytes(32)) }

  /// The value of `webhook-signature`. `body` must be the very bytes sent, `timestamp` the Unix seconds
  /// of this attempt, as in `webhook-timestamp`.
  public static func sign(
    id: String, timestamp: Int, body: some Collection<UInt8>, secret: String
  ) throws(Failure) -> String {
    try sign(id: id, timestamp: timestamp, body: body, secrets: [secret])
  }

  /// The same with one signature for each secret, as is due while a secret is being replaced: new first.
  public static func sign(
    id: String, timestamp: Int, body: some Collection<UInt8>, secrets: [String]
  ) throws(Failure) -> String {
    guard isWellFormed(id: id) else { throw .malformedID }
    guard timestamp >= 0 else { throw .malformedTimestamp }
    let content = content(id: id, timestamp: String(timestamp), body: body)
    return try keys(of: secrets)
      .map { "v1," + Base64.encode(HMACSHA256.authenticate(content, key: $0)) }
      .joined(separator: " ")
  }

  /// Returns only when one of the signatures belongs to one of the `secrets` and the stamp is within
  /// `tolerance` of `now` (Unix seconds). `timestamp` and `signature` are the header values as they came.
  /// Replays within the tolerance are the caller's to refuse, by `id`.
  public static func verify(
    id: String, timestamp: String, signature: String, body: some Collection<UInt8>, now: Int,
    tolerance: Duration = defaultTolerance, secrets: [String]
  ) throws(Failure) {
    let keys = try keys(of: secrets)
    guard isWellFormed(id: id) else { throw .malformedID }
    guard timestamp.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let stamp = Int(timestamp)
    else { throw .malformedTimestamp }
    let (age, overflow) = now.subtractingReportingOverflow(stamp)
    guard !overflow, Int64(clamping: age.magnitude) <= tolerance.components.seconds else {
      throw .outsideTolerance
    }
    let content = content(id: id, timestamp: timestamp, body: body)
    let expected = keys.map { HMACSHA256.authenticate(content, key: $0) }
    // Every pair is compared, so that the time does not tell which secret was near.
    var matched = false
    for candidate in candidates(in: signature) {
      for code in expected where constantTimeEquals(code, candidate) { matched = true }
    }
    guard matched else { throw .noMatchingSignature }
  }

  /// At most this many signatures of a header are looked at; a sender in rotation has two.
  private static let maximumCandidates = 16

  private static func candidates(in signature: String) -> [[UInt8]] {
    signature.utf8.split(separator: UInt8(ascii: " ")).prefix(maximumCandidates).compactMap {
      part in
      guard let text = String(part), text.hasPrefix("v1,") else { return nil }
      return Base64.decode(text.dropFirst(3))
    }
  }

  private static func isWellFormed(id: String) -> Bool {
    !id.isEmpty && !id.utf8.contains(UInt8(ascii: "."))
  }

  private static func content(
    id: String, timestamp: String, body: some Collection<UInt8>
  ) -> [UInt8] {
    var content: [UInt8] = []
    content.reserveCapacity(id.utf8.count + timestamp.utf8.count + body.count + 2)
    content.append(contentsOf: id.utf8)
    content.append(UInt8(ascii: "."))
    content.append(contentsOf: timestamp.utf8)
    content.append(UInt8(ascii: "."))
    content.append(contentsOf: body)
    return content
  }

  private static func keys(of secrets: [String]) throws(Failure) -> [[UInt8]] {
    guard !secrets.isEmpty else { throw .malformedSecret }
    var keys: [[UInt8]] = []
    for secret in secrets {
      let text = secret.hasPrefix(prefix) ? secret.dropFirst(prefix.count) : secret[...]
      guard let key = Base64.decode(text), (24...64).contains(key.count) else {
        throw .malformedSecret
      }
      keys.append(key)
    }
    return keys
  }
}
