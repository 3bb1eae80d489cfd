import Cryptography
import Foundation
import HTTP
import Herald
import JSON
import Synchronization
import Testing

@testable import HeraldChannels

@Suite("The stand-in gateway")
struct GatewayTests {
  private func configuration() -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    configuration.secret = Fixture.secret
    configuration.remembersCalls = true
    return configuration
  }

  /// Runs `body` with a gateway and its URL.
  private func with(
    _ configuration: GatewayConfiguration, _ body: (Gateway, String) async throws -> Void
  ) async throws {
    let gateway = try Gateway(configuration, logger: Fixture.logger)
    let port = try gateway.start()
    try await body(gateway, "http://127.0.0.1:\(port)/sms/in")
    await gateway.shutdown(grace: .seconds(50))
  }

  @Test("takes a signed message, logs it and gives the same id for a repeat")
  func takes() async throws {
    var configuration = configuration()
    let log = Fixture.directory().appendingPathComponent("gateway.ndjson")
    configuration.log = log
    try await with(configuration) { gateway, url in
      let message = Fixture.message()
      let first = await Fixture.channel(url).send(message)
      #expect(await Fixture.channel(url).send(message) == first)
      #expect(first == .sent(providerID: Gateway.providerID(message.idempotencyKey)))
      let lines = try Fixture.lines(log)
      #expect(lines.compactMap { $0["attempt"]?.intValue } == [1, 2])
      let line = try #require(lines.first)
      #expect(line["delivery_id"] == .id(message.deliveryID))
      #expect(line["idempotency_key"] == .string(message.idempotencyKey))
      #expect(line["channel"] == "sms")
      #expect(line["to"] == ["phone": "+8613800138000"])
      #expect(line["verified"] == true)
      #expect(line["content"] == message.content)
      #expect(gateway.calls.count == 2)
    }
  }

  @Test("answers 401 to another secret's signature")
  func signature() async throws {
    try await with(configuration()) { gateway, url in
      let outcome = await Fixture.channel(url, secrets: [Fixture.otherSecret]).send(
        Fixture.message())
      #expect(outcome == .senderFault(reason: "HTTP 401"))
      #expect(gateway.calls.map(\.isVerified) == [false])
    }
  }

  @Test("fails the same messages each time, about as many as asked, on the channel asked")
  func failures() async throws {
    var configuration = configuration()
    configuration.failRateByChannel["push"] = 0.3
    let keys = (0..<400).map { "message-\($0)" }
    let expected = keys.filter { Gateway.hits(0.3, "fail", $0) }
    #expect((80..<160).contains(expected.count))
    for _ in 0..<2 {
      try await with(configuration) { gateway, url in
        for key in keys {
          _ = await Fixture.channel(url).send(Fixture.message(channel: .push, key: key))
          _ = await Fixture.channel(url).send(Fixture.message(channel: .sms, key: "sms-\(key)"))
        }
        let failed = gateway.calls.filter { $0.status == 422 }.map(\.idempotencyKey)
        #expect(failed == expected)
      }
    }
  }

  @Test("what is to be retried gets through in the end")
  func retries() async throws {
    var configuration = configuration()
    configuration.retryRate = 0.5
    try await with(configuration) { gateway, url in
      let message = Fixture.message(key: "to-be-retried")
      var tries = 0
      var outcome = AttemptOutcome.retry(after: nil, reason: "")
      while case .retry = outcome, tries < 50 {
        outcome = await Fixture.channel(url).send(message)
        tries += 1
      }
      #expect(outcome == .sent(providerID: Gateway.providerID("to-be-retried")))
      #expect(gateway.counts == (tries > 1 ? [200: 1, 503: tries - 1] : [200: 1]))
    }
  }

  @Test("sends signed receipts for what it took, once each, until they are taken")
  func receipts() async throws {
    let taken = Mutex<[(channel: String, receipt: Receipt)]>([])
    let refusals = Mutex(2)
    let reader = Fixture.channel("http://127.0.0.1:1/")
    let route = Route(
      .post, "/v1/receipts/{sender}", body: .buffered(limit: 1 << 20),
      handler: .immediate { request in
        let refuses = refusals.withLock { left in
          defer { left = max(0, left - 1) }
          return left > 0
        }
        if refuses { return Response(status: 503) }
        guard let batch = try? reader.receipts(request, now: Date()) else {
          return Response(status: 401)
        }
        let sender = request.parameters["sender"] ?? ""
        taken.withLock { $0 += batch.receipts.map { (sender, $0) } }
        return .json(200, [:])
      })
    var server = ServerConfiguration()
    server.port = 0
    let herald = try Server(routes: [route], configuration: server, logger: Fixture.logger)
    let port = try herald.start()
    var configuration = configuration()
    configuration.receipts = "http://127.0.0.1:\(port)/v1/receipts/{channel}"
    configuration.openRate = 1
    configuration.clickRate = 0
    let messages = (0..<20).map { Fixture.message($0) }
    try await with(configuration) { _, url in
      for message in messages + [messages[0]] { _ = await Fixture.channel(url).send(message) }
    }
    await herald.shutdown(grace: .seconds(1))
    let receipts = taken.withLock { $0 }
    for event in [Receipt.Event.delivered, .opened] {
      let ids = receipts.filter { $0.receipt.event == event }.map(\.receipt.deliveryID.uuidString)
      #expect(ids.sorted() == messages.map(\.deliveryID.uuidString).sorted())
    }
    #expect(receipts.count == 40)
    #expect(receipts.allSatisfy { $0.channel == "sms" })
  }
}
