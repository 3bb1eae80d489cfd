import Cryptography
import Foundation
import JSON

/// What a signature is checked against, as it came.
struct SignedRequest {
  let body: [UInt8]
  /// The first value of a header, by its lower-case name.
  let header: (String) -> String?
  let query: (String) -> String?
}

extension SourceSignature {
  /// Why a request was refused. For tests and logs: the answer does not say.
  enum Failure: Error, Equatable {
    case missing, malformed, outsideTolerance, mismatch
  }

  /// The id that the sender gave the request, where the scheme has one: what comes again under it is
  /// the same. Every secret is tried on every signature, so that the time taken tells nothing.
  func verify(
    _ request: SignedRequest, secrets: [String], now: Date
  ) throws(Failure) -> String? {
    switch method {
    case .none: return nil
    case .token(let place):
      try verifyToken(request, place, secrets)
      return nil
    case .standardWebhooks: return try verifyStandard(request, secrets, now)
    case .stripe:
      try verifyStripe(request, secrets, now)
      return nil
    case .hmac(let hmac): return try verify(request, hmac, secrets, now)
    }
  }

  private func verifyToken(
    _ request: SignedRequest, _ place: TokenPlace, _ secrets: [String]
  ) throws(Failure) {
    let given: String?
    switch place {
    case .query(let name): given = request.query(name)
    case .header(let name, let prefix):
      given = request.header(name).flatMap {
        $0.utf8.starts(with: prefix.utf8) ? String($0.utf8.dropFirst(prefix.utf8.count)) : nil
      }
    }
    guard let given else { throw .missing }
    // Hashes have one length: that of the secret does not show.
    let hash = SHA256.hash(given.utf8)
    var matched = false
    for secret in secrets where constantTimeEquals(SHA256.hash(secret.utf8), hash) {
      matched = true
    }
    guard matched else { throw .mismatch }
  }

  private func verifyStandard(
    _ request: SignedRequest, _ secrets: [String], _ now: Date
  ) throws(Failure) -> String {
    guard let id = request.header("webhook-id"),
      let timestamp = request.header("webhook-timestamp"),
      let signature = request.header("webhook-signature")
    else { throw .missing }
    guard id.utf8.count <= Self.idBytes else { throw .malformed }
    do throws(StandardWebhooks.Failure) {
      try StandardWebhooks.verify(
        id: id, timestamp: timestamp, signature: signature, body: request.body,
        now: now.unixSeconds, tolerance: tolerance.duration, secrets: secrets)
    } catch {
      switch error {
      case .outsideTolerance: throw .outsideTolerance
      case .noMatchingSignature: throw .mismatch
      case .malformedID, .malformedSecret, .malformedTimestamp: throw .malformed
      }
    }
    return id
  }

  /// `t=1492774577,v1=5257a8…,v1=…`
  private func verifyStripe(
    _ request: SignedRequest, _ secrets: [String], _ now: Date
  ) throws(Failure) {
    guard let header = request.header("stripe-signature") else { throw .missing }
    var timestamp: Substring?
    var candidates: [[UInt8]] = []
    for part in header.split(separator: ",").prefix(Self.candidateLimit) {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard pair.count == 2 else { continue }
      let name = pair[0].filter { $0 != " " }
      if name == "t" { timestamp = pair[1] }
      if name == "v1", let code = Hex.decode(pair[1]) { candidates.append(code) }
    }
    guard let timestamp, !candidates.isEmpty else { throw .malformed }
    try checkAge(timestamp, now)
    let content = Array(timestamp.utf8) + [UInt8(ascii: ".")] + request.body
    guard Self.matches(content, candidates, secrets) else { throw .mismatch }
  }

  private func verify(
    _ request: SignedRequest, _ hmac: HMAC, _ secrets: [String], _ now: Date
  ) throws(Failure) -> String? {
    guard let header = request.header(hmac.header) else { throw .missing }
    guard header.utf8.starts(with: hmac.prefix.utf8) else { throw .malformed }
    let text = header.utf8.dropFirst(hmac.prefix.utf8.count)
    guard let text = String(text),
      let code = hmac.encoding == .hex ? Hex.decode(text) : Base64.decode(text)
    else { throw .malformed }
    let id = hmac.idHeader.flatMap { request.header($0) }
    let timestamp = hmac.timestampHeader.flatMap { request.header($0) }
    if hmac.timestampHeader != nil {
      guard let timestamp else { throw .missing }
      try checkAge(timestamp[...], now)
    }
    var content: [UInt8] = []
    for piece in hmac.content {
      switch piece {
      case .body: content += request.body
      case .text(let text): content += Array(text.utf8)
      case .id:
        guard let id else { throw .missing }
        content += Array(id.utf8)
      case .timestamp:
        guard let timestamp else { throw .missing }
        content += Array(timestamp.utf8)
      }
    }
    guard Self.matches(content, [code], secrets) else { throw .mismatch }
    guard let id, !id.isEmpty else { return nil }
    guard id.utf8.count <= Self.idBytes else { throw .malformed }
    return id
  }

  private func checkAge(_ text: Substring, _ now: Date) throws(Failure) {
    guard 1...15 ~= text.utf8.count,
      text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
      let stamp = Int(text)
    else { throw .malformed }
    guard (now.unixSeconds - stamp).magnitude <= tolerance.seconds else { throw .outsideTolerance }
  }

  private static let candidateLimit = 16
  private static let idBytes = 240

  private static func matches(
    _ content: [UInt8], _ candidates: [[UInt8]], _ secrets: [String]
  ) -> Bool {
    var matched = false
    for secret in secrets {
      let expected = HMACSHA256.authenticate(content, key: secret.utf8)
      for candidate in candidates where constantTimeEquals(expected, candidate) { matched = true }
    }
    return matched
  }
}

extension Date {
  /// Rounded down; a clock before 1970 or beyond reason is 0.
  var unixSeconds: Int {
    let seconds = timeIntervalSince1970.rounded(.down)
    return 0...1e12 ~= seconds ? Int(exactly: seconds) ?? 0 : 0
  }
}
