import Cryptography
import Foundation
import Herald
import JSON
import Testing

@testable import HTTP
@testable import HeraldChannels

@Suite("The http adapter")
struct HTTPChannelTests {
  @Test("posts one delivery in the documented shape, signed over the bytes sent")
  func shape() async throws {
    let server = try RawServer.answering(200, body: #"{"id": "provider-1"}"#)
    let now = Date(timeIntervalSince1970: 1_767_225_600)
    let message = Fixture.message()
    let outcome = await Fixture.channel(server.url, now: { now }).send(message)
    #expect(outcome == .sent(providerID: "provider-1"))
    let request = try #require(server.requests.first)
    #expect(request.head.hasPrefix("POST /hook HTTP/1.1\r\n"))
    #expect(request.header("content-type") == "application/json")
    #expect(request.header("webhook-id") == message.idempotencyKey)
    #expect(request.header("webhook-timestamp") == "1767225600")
    try StandardWebhooks.verify(
      id: message.idempotencyKey, timestamp: "1767225600",
      signature: request.header("webhook-signature") ?? "", body: request.body,
      now: 1_767_225_600, secrets: [Fixture.secret])
    let expected: JSONValue = [
      "delivery_id": .id(message.deliveryID), "idempotency_key": .string(message.idempotencyKey),
      "channel": "sms", "to": ["phone": "+8613800138000"], "content": message.content,
      "user": ["id": .id(message.userID), "external_id": "u-1"], "plan": "winter", "step": "nudge",
    ]
    #expect(try JSONScanner.parse(request.body) == expected)
  }

  @Test("a retry has the same id and body, a new stamp and a new signature")
  func retry() async throws {
    let server = try RawServer.answering(503)
    let message = Fixture.message()
    for second in [0.0, 60] {
      let now = Date(timeIntervalSince1970: 1_767_225_600 + second)
      _ = await Fixture.channel(server.url, now: { now }).send(message)
    }
    let requests = server.requests
    try #require(requests.count == 2)
    #expect(requests[0].header("webhook-id") == requests[1].header("webhook-id"))
    #expect(requests[0].body == requests[1].body)
    #expect(requests[1].header("webhook-timestamp") == "1767225660")
    #expect(requests[0].header("webhook-signature") != requests[1].header("webhook-signature"))
  }

  @Test("while a secret is replaced both sign, the new one first")
  func rotation() async throws {
    let server = try RawServer.answering(200)
    let channel = Fixture.channel(server.url, secrets: [Fixture.otherSecret, Fixture.secret])
    _ = await channel.send(Fixture.message())
    let request = try #require(server.requests.first)
    let signatures = request.header("webhook-signature")?.split(separator: " ") ?? []
    #expect(signatures.count == 2)
    for secret in [Fixture.secret, Fixture.otherSecret] {
      let stamp = request.header("webhook-timestamp") ?? ""
      try StandardWebhooks.verify(
        id: request.header("webhook-id") ?? "", timestamp: stamp,
        signature: request.header("webhook-signature") ?? "", body: request.body,
        now: Int(stamp) ?? 0, secrets: [secret])
    }
  }

  enum Verdict: Sendable { case sent, retry, rejected, dead, fault }

  @Test(
    "maps each status",
    arguments: [
      (200, Verdict.sent), (202, .sent), (204, .sent), (301, .rejected), (302, .rejected),
      (400, .rejected), (401, .fault), (403, .fault), (404, .rejected), (405, .rejected),
      (408, .retry), (409, .rejected), (410, .dead), (413, .rejected), (422, .rejected),
      (425, .retry), (429, .retry), (500, .retry), (502, .retry), (503, .retry), (504, .retry),
    ])
  func statuses(status: Int, verdict: Verdict) async throws {
    let server = try RawServer.answering(status, ["Location: http://127.0.0.1:1/"])
    let outcome = await Fixture.channel(server.url).send(Fixture.message())
    switch (outcome, verdict) {
    case (.sent, .sent), (.retry, .retry), (.rejected(_, false), .rejected),
      (.rejected(_, true), .dead), (.senderFault, .fault):
      break
    default: Issue.record("\(status) gave \(outcome)")
    }
    #expect(server.requests.count == 1)
  }

  @Test(
    "honours Retry-After up to an hour and ignores what is none",
    arguments: [
      ("7", Duration.seconds(7)), ("1000000000", .seconds(3600)), ("-5", nil), ("soon", nil),
      ("Thu, 01 Jan 2026 00:02:00 GMT", .seconds(120)),
    ])
  func retryAfter(value: String, wait: Duration?) async throws {
    let server = try RawServer.answering(429, ["Retry-After: \(value)"])
    let now = Date(timeIntervalSince1970: 1_767_225_600)
    let outcome = await Fixture.channel(server.url, now: { now }).send(Fixture.message())
    #expect(outcome == .retry(after: wait, reason: "HTTP 429"))
  }

  @Test(
    "what a 2xx says beside its id does not matter", arguments: ["", "ok", "[]", #"{"id": 7}"#])
  func bodies(body: String) async throws {
    let server = try RawServer.answering(200, body: body)
    #expect(await Fixture.channel(server.url).send(Fixture.message()) == .sent(providerID: nil))
  }

  @Test("a refused connection is a retry: nothing was sent")
  func refused() async throws {
    let url = "http://127.0.0.1:\(try RawServer.closedPort())/"
    guard case .retry = await Fixture.channel(url).send(Fixture.message()) else {
      Issue.record("not a retry")
      return
    }
  }

  @Test("refuses URLs, secrets and fields that cannot be used, each at its place")
  func validation() throws {
    let kind = HTTPChannel.kind(client: Fixture.client, allowPrivate: false)
    let cases: [(JSONValue, [String])] = [
      (["url": "https://gateway.example/sms", "secret": .string(Fixture.secret)], []),
      (["url": "http://127.0.0.1/", "secret": .string(Fixture.secret)], ["/config/url"]),
      (["url": "http://[::ffff:10.0.0.1]/", "secret": .string(Fixture.secret)], ["/config/url"]),
      (["url": "http://0x7f.1/", "secret": .string(Fixture.secret)], ["/config/url"]),
      (["url": "https://u:p@x.example/", "secret": .string(Fixture.secret)], ["/config/url"]),
      (["url": "ftp://x.example/", "secret": "whsec_short"], ["/config/url", "/config/secret"]),
      ([:], ["/config/url", "/config/secret"]),
      (
        ["url": "https://x.example/", "secret": .string(Fixture.secret), "idempotent": 1, "y": 2],
        ["/config/idempotent", "/config/y"]
      ),
    ]
    for (config, places) in cases {
      let faults = Faults()
      kind.validate(config, JSONPointer(tokens: ["config"]), faults)
      #expect(faults.all.map(\.pointer.description) == places, "\(config.text)")
    }
  }

  @Test("a name that leads into one's own network is the sender's fault, with the way out named")
  func wall() async throws {
    let server = try RawServer.answering(200)
    var configuration = ClientConfiguration(allowPrivateAddresses: false)
    configuration.lookup = { host in
      guard host == "inside.example" else { return .failure(ClientRefusal(reason: "not there")) }
      return .success(["127.0.0.1"].compactMap { ClientAddress(literal: $0) })
    }
    let client = HTTPClient(configuration, logger: Fixture.logger)
    func send(_ host: String) async -> AttemptOutcome {
      await HTTPChannel(
        client: client, url: "http://\(host):\(server.port)/", secrets: [Fixture.secret],
        resendsSafely: false, timeout: .seconds(5), group: "wall", now: { Date() }
      ).send(Fixture.message())
    }
    for host in ["localhost", "inside.example"] {
      guard case .senderFault(let reason) = await send(host) else {
        Issue.record("\(host) is not the sender's fault")
        continue
      }
      #expect(reason.contains("HERALD_ALLOW_PRIVATE_ENDPOINTS"))
      #expect(reason.contains(host))
    }
    // What a name server says later may be better.
    if case .retry = await send("absent.example") {} else { Issue.record("it is not tried again") }
    #expect(server.requests.isEmpty)
    await client.shutdown(grace: .zero)
  }
}
