import Cryptography
import Testing

@Suite struct StandardWebhooksTests {
  typealias Failure = StandardWebhooks.Failure

  static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
  static let otherSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
  static let vectors: [(secret: String, id: String, stamp: Int, body: String, signature: String)] =
    [
      (
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, #"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
      ),
      (
        otherSecret, "msg_herald_1", 1_767_225_600,
        #"{"type":"message.delivered","timestamp":"2026-01-01T00:00:00Z","data":{"name":"Zoë 👋"}}"#,
        "v1,xzFiHYsqD35moAX4fg8BVY/Zg7EHEvETNQcS8qzB/Po="
      ),
    ]

  let id = "msg_1"
  let stamp = 1_700_000_000
  let body = Array(#"{"a":1}"#.utf8)

  /// The failure of a verification; nil when it succeeds.
  func failure(
    id: String? = nil, timestamp: String? = nil, signature: String, body: [UInt8]? = nil,
    now: Int? = nil, secrets: [String] = [secret]
  ) -> Failure? {
    do {
      try StandardWebhooks.verify(
        id: id ?? self.id, timestamp: timestamp ?? String(stamp), signature: signature,
        body: body ?? self.body, now: now ?? stamp, secrets: secrets)
      return nil
    } catch {
      return error
    }
  }

  func signature(secrets: [String] = [secret]) throws -> String {
    try StandardWebhooks.sign(id: id, timestamp: stamp, body: body, secrets: secrets)
  }

  @Test("Signing gives what the reference library gives, and verifies", arguments: vectors)
  func vector(secret: String, id: String, stamp: Int, body: String, signature: String) throws {
    #expect(
      try StandardWebhooks.sign(id: id, timestamp: stamp, body: body.utf8, secret: secret)
        == signature)
    #expect(
      failure(
        id: id, timestamp: String(stamp), signature: signature, body: Array(body.utf8), now: stamp,
        secrets: [secret]) == nil)
  }

  @Test("A stamp 300 s away passes, 301 s away does not", arguments: [1, -1])
  func tolerance(sign: Int) throws {
    let signature = try signature()
    #expect(failure(signature: signature, now: stamp + 300 * sign) == nil)
    #expect(failure(signature: signature, now: stamp + 301 * sign) == .outsideTolerance)
  }

  @Test("During a rotation the signature of either secret passes")
  func rotation() throws {
    let both = [Self.secret, Self.otherSecret]
    #expect(try failure(signature: signature(secrets: both), secrets: [Self.otherSecret]) == nil)
    #expect(try failure(signature: signature(), secrets: both) == nil)
    #expect(try failure(signature: signature(), secrets: both.reversed()) == nil)
    #expect(
      try failure(signature: signature(), secrets: [Self.otherSecret]) == .noMatchingSignature)
  }

  @Test("Unknown versions are skipped")
  func unknownVersions() throws {
    let signature = try signature()
    #expect(failure(signature: "v1a,AAAA v2,\(signature.dropFirst(3)) " + signature) == nil)
    #expect(failure(signature: "v2," + signature.dropFirst(3)) == .noMatchingSignature)
    #expect(failure(signature: "") == .noMatchingSignature)
  }

  @Test("Ten thousand mutations of a signed message: none is accepted")
  func mutations() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SplitMix64(state: seed)
    let good = Array(try signature().utf8)
    var accepted = 0
    for round in 0..<10_000 {
      var parts = [Array(id.utf8), Array(String(stamp).utf8), good, body]
      let part = round % 4
      let index = Int.random(in: 0..<parts[part].count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: parts[part][index] ^= 1 << UInt8.random(in: 0..<7, using: &random)
      case 1: parts[part].remove(at: index)
      case 2: parts[part].insert(UInt8.random(in: 33..<127, using: &random), at: index)
      default: parts[part][index] = parts[part][index] == 48 ? 49 : 48
      }
      guard let id = String(validating: parts[0], as: UTF8.self),
        let timestamp = String(validating: parts[1], as: UTF8.self),
        let signature = String(validating: parts[2], as: UTF8.self)
      else { continue }
      let unchanged = parts == [Array(self.id.utf8), Array(String(stamp).utf8), good, body]
      // A header list may gain white space around its only entry without losing its meaning.
      let sameSignature = part == 2 && parts[2].filter { $0 != 32 } == good
      if unchanged || sameSignature { continue }
      if failure(id: id, timestamp: timestamp, signature: signature, body: parts[3]) == nil {
        accepted += 1
      }
    }
    #expect(accepted == 0, "seed \(seed)")
    #expect(try failure(signature: signature()) == nil)
  }

  @Test("Moving the dots between id, stamp and body does not help")
  func ambiguity() throws {
    let signature = try StandardWebhooks.sign(
      id: "a", timestamp: 1_700_000_000, body: Array("1700000000.x".utf8), secret: Self.secret)
    #expect(
      failure(id: "a.1700000000", signature: signature, body: Array("x".utf8)) == .malformedID)
    #expect(throws: Failure.malformedID) {
      try StandardWebhooks.sign(id: "a.b", timestamp: 1, body: [], secret: Self.secret)
    }
  }

  @Test(
    "Stamps that are no plain number are refused",
    arguments: ["", "+1700000000", " 1700000000", "1e9", "-1", "99999999999999999999", "１"])
  func malformedStamps(text: String) throws {
    #expect(try failure(timestamp: text, signature: signature()) == .malformedTimestamp)
  }

  @Test("Extreme clocks do not trap", arguments: [Int.min, Int.max, 0])
  func extremeClock(now: Int) throws {
    #expect(try failure(signature: signature(), now: now) == .outsideTolerance)
  }

  @Test(
    "Secrets of the wrong shape are refused", arguments: ["", "whsec_", "whsec_AAAA", "whsec_!"])
  func malformedSecrets(secret: String) {
    #expect(failure(signature: "v1,", secrets: [secret]) == .malformedSecret)
    #expect(failure(signature: "v1,", secrets: []) == .malformedSecret)
  }

  @Test("A fresh secret signs and verifies")
  func freshSecret() throws {
    let secret = StandardWebhooks.makeSecret()
    #expect(secret != StandardWebhooks.makeSecret())
    #expect(try failure(signature: signature(secrets: [secret]), secrets: [secret]) == nil)
  }
}

/// A small generator whose runs can be repeated from a printed seed.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
