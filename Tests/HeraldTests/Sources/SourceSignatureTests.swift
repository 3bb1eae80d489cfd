import Foundation
import JSON
import Testing

@testable import Herald

/// A request that a provider would send, with the signature computed by Python's `hmac` (that of Standard
/// Webhooks by the package `standardwebhooks` too; GitHub's is the example of its documentation).
struct SignedCase: Sendable, CustomTestStringConvertible {
  let name: String
  let signature: JSONValue
  var body = #"{"id":820982911946154508,"note":"Zoë 👋","total":"409.94"}"#
  var headers: [String: String]
  var query: [String: String] = [:]
  /// The header that holds the signature.
  var signed: String
  var id: String?

  var testDescription: String { name }

  static let now = Date(timeIntervalSince1970: 1_793_000_000)

  static let all: [SignedCase] = [
    SignedCase(
      name: "standard webhooks",
      signature: [
        "scheme": "standard_webhooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      ],
      headers: [
        "webhook-id": "msg_1", "webhook-timestamp": "1793000000",
        "webhook-signature": "v1,bnqanTtQiiftEtASgJIekQ0yGCtnaIfQ/WOleXBZzQk=",
      ], signed: "webhook-signature", id: "msg_1"),
    SignedCase(
      name: "shopify", signature: ["scheme": "shopify", "secret": "hush-hush-shopify"],
      headers: [
        "x-shopify-hmac-sha256": "veuq45L6H+HgjU3H0wJAl4RjhIsEtNp/hGaD0RgT85M=",
        "x-shopify-webhook-id": "w-1",
      ], signed: "x-shopify-hmac-sha256", id: "w-1"),
    SignedCase(
      name: "github", signature: ["scheme": "github", "secret": "It's a Secret to Everybody"],
      body: "Hello, World!",
      headers: [
        "x-hub-signature-256":
          "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        "x-github-delivery": "72d3162e",
      ], signed: "x-hub-signature-256", id: "72d3162e"),
    SignedCase(
      name: "woocommerce", signature: ["scheme": "woocommerce", "secret": "woo-secret-123"],
      headers: [
        "x-wc-webhook-signature": "kuudD81vwKocAq2SuWlRqrluZHyC9Mmb9hCvucbzeI8="
      ], signed: "x-wc-webhook-signature"),
    SignedCase(
      name: "stripe", signature: ["scheme": "stripe", "secret": "whsec_test_secret"],
      headers: [
        "stripe-signature":
          "t=1793000000,v0=00,v1=31502531526f68cc8c72e16fc5d53355d6be0887a54e698c49f4e069110584a9"
      ], signed: "stripe-signature"),
    SignedCase(
      name: "hmac of one's own",
      signature: [
        "scheme": "hmac", "secret": "custom-secret", "header": "X-Signature", "encoding": "hex",
        "prefix": "v2:", "content": "{id}|{timestamp}|{body}", "id_header": "X-Id",
        "timestamp_header": "X-Time",
      ],
      headers: [
        "x-signature": "v2:7b39526ee160b2952b4c4babc712f08b8bc02a28c8f95d1588f0381808640b5e",
        "x-id": "d-1", "x-time": "1793000000",
      ], signed: "x-signature", id: "d-1"),
    SignedCase(
      name: "token in a header",
      signature: [
        "scheme": "token", "secret": "let-me-in-please", "header": "Authorization",
        "prefix": "Bearer ",
      ], headers: ["authorization": "Bearer let-me-in-please"], signed: "authorization"),
  ]

  /// The id, or why it was refused.
  func judge(
    now: Date = SignedCase.now, secrets: [String]? = nil
  ) throws -> Result<String?, SourceSignature.Failure> {
    let faults = Faults()
    var fields = SecretFields()
    let reader = try #require(ObjectReader(signature, faults: faults))
    let parsed = SourceSignature(reader, &fields)
    let signature = try #require(parsed, "\(faults.all)")
    let own = fields.given[SourceSignature.secretField]?.stringValue ?? ""
    do throws(SourceSignature.Failure) {
      return .success(
        try signature.verify(
          SignedRequest(
            body: Array(body.utf8), header: { headers[$0] }, query: { query[$0] }),
          secrets: secrets ?? [own], now: now))
    } catch {
      return .failure(error)
    }
  }
}

@Suite("Signatures of sources")
struct SourceSignatureTests {
  @Test("that a provider made hold, under the id it gave", arguments: SignedCase.all)
  func holds(_ signed: SignedCase) throws {
    #expect(try signed.judge().get() == signed.id)
  }

  @Test("do not hold for another body, signature or secret", arguments: SignedCase.all)
  func mutations(_ signed: SignedCase) throws {
    let isToken = signed.name.hasPrefix("token")
    if !isToken {
      var bytes = Array(signed.body.utf8)
      for index in bytes.indices where bytes[index] < 0x80 {
        bytes[index] ^= 1
        var other = signed
        other.body = String(decoding: bytes, as: UTF8.self)
        #expect(throws: SourceSignature.Failure.self) { try other.judge().get() }
        bytes[index] ^= 1
      }
    }
    let value = try #require(signed.headers[signed.signed])
    for index in value.utf8.indices where value.utf8[index] != UInt8(ascii: " ") {
      var text = Array(value.utf8)
      let place = value.utf8.distance(from: value.utf8.startIndex, to: index)
      text[place] = text[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      var other = signed
      other.headers[signed.signed] = String(decoding: text, as: UTF8.self)
      // Hexadecimal digits mean the same in either case, and v0 of Stripe means nothing.
      guard other.headers[signed.signed]?.lowercased() != value.lowercased(),
        !(signed.name == "stripe" && 13...17 ~= place)
      else { continue }
      #expect(throws: SourceSignature.Failure.self, "\(place)") { try other.judge().get() }
    }
    var bare = signed
    bare.headers[signed.signed] = nil
    #expect(throws: SourceSignature.Failure.missing) { try bare.judge().get() }
    let wrong = ["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"]
    #expect(throws: SourceSignature.Failure.mismatch) { try signed.judge(secrets: wrong).get() }
    #expect(throws: SourceSignature.Failure.self) { try signed.judge(secrets: []).get() }
  }

  @Test("that sign the time hold for five minutes, either way")
  func tolerance() throws {
    for signed in SignedCase.all
    where ["standard", "stripe", "hmac"].contains(where: signed.name.hasPrefix) {
      for seconds in [-300.0, 0, 300] {
        _ = try signed.judge(now: SignedCase.now.addingTimeInterval(seconds)).get()
      }
      for seconds in [-301.0, 301, 86_400] {
        #expect(throws: SourceSignature.Failure.outsideTolerance) {
          try signed.judge(now: SignedCase.now.addingTimeInterval(seconds)).get()
        }
      }
    }
  }

  @Test("hold under either of two secrets", arguments: SignedCase.all)
  func rotation(_ signed: SignedCase) throws {
    let own = try #require(signed.signature["secret"]?.stringValue)
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
    #expect(try signed.judge(secrets: [other, own]).get() == signed.id)
    #expect(try signed.judge(secrets: [own, other]).get() == signed.id)
  }

  @Test("of an id or a time that was swapped do not hold")
  func swapped() throws {
    for (name, header) in [("standard webhooks", "webhook-id"), ("hmac of one's own", "x-id")] {
      var signed = try #require(SignedCase.all.first { $0.name == name })
      signed.headers[header] = "other"
      #expect(throws: SourceSignature.Failure.mismatch) { try signed.judge().get() }
    }
    var stamped = try #require(SignedCase.all.first { $0.name == "hmac of one's own" })
    stamped.headers["x-time"] = "1793000001"
    #expect(throws: SourceSignature.Failure.mismatch) { try stamped.judge().get() }
  }

  @Test(
    "that could not be checked are refused when the source is saved",
    arguments: [
      (#"{"scheme": "standard_webhooks", "secret": "short"}"#, "/secret"),
      (#"{"scheme": "shopify"}"#, "/secret"),
      (#"{"scheme": "shopify", "secret": "long enough", "header": "x"}"#, "/header"),
      (#"{"scheme": "none", "secret": "long enough"}"#, "/secret"),
      (#"{"scheme": "token", "secret": "long enough"}"#, ""),
      (
        #"{"scheme": "hmac", "secret": "long enough", "header": "x", "encoding": "hex", "content": "{id}"}"#,
        "/content"
      ),
      (
        #"{"scheme": "hmac", "secret": "long enough", "header": "x", "encoding": "hex", "timestamp_header": "t"}"#,
        "/content"
      ),
      (
        #"{"scheme": "github", "secret": "long enough", "previous_secret": "the old one"}"#,
        "/previous_secret_until"
      ),
    ])
  func refused(_ document: String, _ pointer: String) throws {
    let faults = Faults()
    var fields = SecretFields()
    let reader = try #require(
      ObjectReader(try JSONScanner.parse(document), faults: faults))
    let parsed = SourceSignature(reader, &fields)
    #expect(parsed == nil)
    #expect(faults.all.map(\.pointer.description).contains(pointer), "\(faults.all)")
  }
}
