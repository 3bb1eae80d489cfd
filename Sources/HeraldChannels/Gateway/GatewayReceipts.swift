import Cryptography
import Foundation
import HTTP
import Herald
import JSON
import Logging
import Synchronization

/// Sends receipts of taken messages back to Herald, in batches, until they are taken.
final class GatewayReceipts: Sendable {
  private struct State {
    /// By URL.
    var waiting: [String: [JSONValue]] = [:]
    var sender: Task<Void, Never>?
    /// Set by `shutdown`: what is not sent by then stays unsent.
    var endBy: ContinuousClock.Instant?
  }

  private static let batch = 500
  private static let pause = Duration.milliseconds(50)

  private let url: String
  private let secret: String
  private let openRate: Double
  private let clickRate: Double
  private let client: HTTPClient
  private let logger: Logger
  private let now: @Sendable () -> Date
  private let state = Mutex(State())

  /// Nil when no receipts are wanted.
  init?(
    _ configuration: GatewayConfiguration, logger: Logger, now: @escaping @Sendable () -> Date
  ) {
    guard let url = configuration.receipts, let secret = configuration.secret else { return nil }
    self.url = url
    self.secret = secret
    openRate = configuration.openRate
    clickRate = configuration.clickRate
    self.logger = logger
    self.now = now
    client = HTTPClient(ClientConfiguration(allowPrivateAddresses: true), logger: logger)
  }

  /// The task that sends; `shutdown` ends it.
  func start() {
    let task = Task { await run() }
    state.withLock { $0.sender = task }
  }

  func add(_ call: GatewayCall) {
    var events = ["delivered"]
    if Gateway.hits(openRate, "open", call.idempotencyKey) { events.append("opened") }
    if Gateway.hits(clickRate, "open", call.idempotencyKey) { events.append("clicked") }
    let receipts = events.map { event -> JSONValue in
      [
        "delivery_id": .string(call.deliveryID), "event": .string(event),
        "at": .instant(call.arrivedAt),
      ]
    }
    let target = url.replacingOccurrences(of: "{channel}", with: call.channel)
    state.withLock { $0.waiting[target, default: []] += receipts }
  }

  func shutdown(grace: Duration) async {
    let task = state.withLock { state in
      state.endBy = .now + grace
      return state.sender.take()
    }
    await task?.value
    await client.shutdown(grace: .zero)
  }

  private func run() async {
    while true {
      let (targets, endBy) = state.withLock { ($0.waiting.keys.sorted(), $0.endBy) }
      if let endBy, targets.isEmpty || endBy <= .now { return }
      for target in targets { await send(to: target) }
      try? await Task.sleep(for: Self.pause)
    }
  }

  /// Sends all that wait for one URL; what Herald cannot take now goes back.
  private func send(to target: String) async {
    while true {
      let batch = state.withLock { state -> [JSONValue] in
        guard let waiting = state.waiting[target] else { return [] }
        let rest = Array(waiting.dropFirst(Self.batch))
        state.waiting[target] = rest.isEmpty ? nil : rest
        return Array(waiting.prefix(Self.batch))
      }
      guard !batch.isEmpty else { return }
      guard await post(batch, to: target) else {
        state.withLock { $0.waiting[target] = batch + ($0.waiting[target] ?? []) }
        try? await Task.sleep(for: Self.pause * 4)
        return
      }
    }
  }

  /// False when it should be tried again: receipts may be sent twice.
  private func post(_ batch: [JSONValue], to target: String) async -> Bool {
    let body = JSONValue.object(["receipts": .array(batch)]).bytes
    let id = "rcpt_" + Hex.encode(randomBytes(12))
    let timestamp = max(0, Int(exactly: now().timeIntervalSince1970.rounded(.down)) ?? 0)
    guard
      let signature = try? StandardWebhooks.sign(
        id: id, timestamp: timestamp, body: body, secret: secret)
    else { return true }
    let outcome = await client.send(
      ClientRequest(
        method: "POST", url: target,
        headers: [
          ("Content-Type", "application/json"), ("webhook-id", id),
          ("webhook-timestamp", String(timestamp)), ("webhook-signature", signature),
        ], body: body, timeout: .seconds(5)))
    guard case .response(let response) = outcome else { return false }
    if response.status == 429 || response.status >= 500 { return false }
    if response.status != 200 {
      logger.warning(
        "receipts were refused", metadata: ["status": "\(response.status)", "url": "\(target)"])
    }
    return true
  }
}
