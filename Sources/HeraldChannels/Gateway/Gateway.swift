import Cryptography
import Foundation
import HTTP
import Herald
import JSON
import Logging
import Synchronization

/// A receiving end for the `http` adapter: takes messages on any path, logs each before answering,
/// fails some on purpose and sends receipts back. For tests, demonstrations and trying things out.
public final class Gateway: Sendable {
  private struct State {
    var messages: [String: Message] = [:]
    var calls: [GatewayCall] = []
    var counts: [Int: Int] = [:]
    var server: Server?
  }

  private struct Message {
    var attempts = 0
    var isTaken = false
  }

  public let configuration: GatewayConfiguration
  private let file: LineFile?
  private let receipts: GatewayReceipts?
  private let logger: Logger
  private let now: @Sendable () -> Date
  private let state = Mutex(State())

  /// Throws when the log cannot be opened.
  public init(
    _ configuration: GatewayConfiguration, logger: Logger,
    now: @escaping @Sendable () -> Date = { Date() }
  ) throws {
    self.configuration = configuration
    self.logger = logger
    self.now = now
    file = try configuration.log.map { try LineFile($0) }
    receipts = GatewayReceipts(configuration, logger: logger, now: now)
  }

  /// Serves until `shutdown`; returns the port. To be called once.
  public func start() throws -> Int {
    var server = ServerConfiguration()
    server.host = configuration.host
    server.port = configuration.port
    let handler: Route.Handler =
      configuration.latency > .zero
      ? .async { [self] in await respondLate(to: $0) } : .immediate { [self] in respond(to: $0) }
    let routes = ["/", "/{a}", "/{a}/{b}", "/{a}/{b}/{c}"].map {
      Route(.post, $0, body: .buffered(limit: 4 << 20), handler: handler)
    }
    let started = try Server(routes: routes, configuration: server, logger: logger)
    let port = try started.start()
    state.withLock { $0.server = started }
    receipts?.start()
    return port
  }

  /// Ends after the receipts of what was taken are sent, or `grace` has passed.
  public func shutdown(grace: Duration = .seconds(2)) async {
    let server = state.withLock { $0.server.take() }
    await server?.shutdown(grace: grace)
    await receipts?.shutdown(grace: grace)
  }

  /// Every call so far, when `remembersCalls` is set.
  public var calls: [GatewayCall] { state.withLock { $0.calls } }

  /// How many calls were answered with each status.
  public var counts: [Int: Int] { state.withLock { $0.counts } }

  private func respondLate(to request: Request) async -> Response {
    let response = respond(to: request)
    try? await Task.sleep(for: configuration.latency)
    return response
  }

  private func respond(to request: Request) -> Response {
    let arrivedAt = now()
    guard let body = try? JSONScanner.parse(request.body),
      let key = body["idempotency_key"]?.stringValue
    else {
      return .problem(
        400, code: "malformed", detail: "A JSON object with an `idempotency_key` is expected.")
    }
    let verified = verify(request, arrivedAt)
    let attempt = state.withLock { state in
      state.messages[key, default: Message()].attempts += 1
      return state.messages[key]?.attempts ?? 1
    }
    let channel = body["channel"]?.stringValue ?? ""
    let status = status(key: key, channel: channel, attempt: attempt, verified: verified)
    let call = GatewayCall(
      deliveryID: body["delivery_id"]?.stringValue ?? "", idempotencyKey: key, channel: channel,
      to: body["to"] ?? .null, content: body["content"] ?? .null, user: body["user"] ?? .null,
      plan: body["plan"]?.stringValue ?? "", step: body["step"]?.stringValue ?? "",
      arrivedAt: arrivedAt, attempt: attempt, isVerified: verified, status: status,
      bodyDigest: Hex.encode(SHA256.hash(request.body)))
    return answer(call)
  }

  private func answer(_ call: GatewayCall) -> Response {
    if let file, case .failure(let failure) = file.appendNow(call.json.bytes) {
      logger.error("the log cannot be written", metadata: ["reason": "\(failure)"])
      return .problem(500, code: "log_unwritable", detail: "The call could not be logged.")
    }
    let isNew = state.withLock { state in
      state.counts[call.status, default: 0] += 1
      if configuration.remembersCalls { state.calls.append(call) }
      guard call.status == 200 else { return false }
      let known = state.messages[call.idempotencyKey]?.isTaken ?? false
      state.messages[call.idempotencyKey]?.isTaken = true
      return !known
    }
    if isNew { receipts?.add(call) }
    switch call.status {
    case 200: return .json(200, ["id": .string(Self.providerID(call.idempotencyKey))])
    case 401:
      return .problem(401, code: "bad_signature", detail: "The signature does not hold.")
    case 503: return .problem(503, code: "busy", detail: "Try again.")
    default: return .problem(call.status, code: "refused", detail: "This message is refused.")
    }
  }

  /// Stable over retries, like the id of a provider that de-duplicates.
  static func providerID(_ key: String) -> String {
    "gw-" + Hex.encode(SHA256.hash(Array(key.utf8)).prefix(8))
  }

  private func status(key: String, channel: String, attempt: Int, verified: Bool?) -> Int {
    if verified == false { return 401 }
    if Self.hits(configuration.retryRate, "retry-\(attempt)", key) { return 503 }
    if Self.hits(configuration.failRate(of: channel), "fail", key) { return 422 }
    return 200
  }

  /// Whether the key is among the share `rate` of all keys, drawn apart for each `matter`.
  static func hits(_ rate: Double, _ matter: String, _ key: String) -> Bool {
    rate > 0 && Double(Bucket.of(salt: "gateway-\(matter)", unit: key)) < rate * 10_000
  }

  private func verify(_ request: Request, _ now: Date) -> Bool? {
    guard let secret = configuration.secret else { return nil }
    do {
      try StandardWebhooks.verify(
        id: request.headers["webhook-id"] ?? "",
        timestamp: request.headers["webhook-timestamp"] ?? "",
        signature: request.headers["webhook-signature"] ?? "", body: request.body,
        now: Int(exactly: now.timeIntervalSince1970.rounded(.down)) ?? 0, secrets: [secret])
      return true
    } catch {
      return false
    }
  }
}
