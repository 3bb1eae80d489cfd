import Cryptography
import Foundation
import HTTP
import Herald
import HeraldChannels
import Logging

/// A whole Herald for a short while: its database, its server, its dispatcher and the stand-in
/// gateway, in a directory of its own that goes with it.
actor ThrowAwayHerald {
  nonisolated let directory: String
  /// An admin's, of the principal "admin".
  nonisolated let adminKey: String
  /// Of the senders' signatures.
  nonisolated let gatewaySecret: String
  nonisolated var gatewayLog: String { directory + "/gateway.ndjson" }

  private let logger: Logger
  private var installation: Installation?
  private var server: Server?
  private var work: Task<Void, Never>?
  private var gateway: Gateway?

  struct Addresses: Sendable {
    let herald: String
    let gateway: String
  }

  init(logger: Logger) {
    let parent = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    directory = "\(parent)/herald-demo-\(Hex.encode(randomBytes(4)))"
    adminKey = "hk_demo_\(Hex.encode(randomBytes(16)))"
    gatewaySecret = "whsec_" + Base64.encode(randomBytes(24))
    self.logger = logger
  }

  /// To be followed by `end`, also when it throws.
  func start() async throws -> Addresses {
    let configuration = try Configuration(
      flags: [
        "HERALD_DATA_DIR": directory, "HERALD_ADMIN_KEY": adminKey,
        "HERALD_LISTEN": "127.0.0.1:0", "HERALD_ALLOW_PRIVATE_ENDPOINTS": "true",
      ], environment: [:])
    let installation = try await Installation.open(configuration, role: .serve, logger: logger)
    self.installation = installation
    try await FirstKey.install(installation)
    var http = ServerConfiguration()
    http.host = configuration.listenHost
    http.port = configuration.listenPort
    let server = try installation.application.server(http)
    self.server = server
    let port = try server.start()
    let application = installation.application
    work = Task { await application.work() }
    let herald = "http://127.0.0.1:\(port)"
    return Addresses(herald: herald, gateway: try startGateway(receiptsTo: herald))
  }

  /// A fifth of the pushes is refused, some calls are told to come again.
  private func startGateway(receiptsTo herald: String) throws -> String {
    var configuration = GatewayConfiguration()
    configuration.log = URL(fileURLWithPath: gatewayLog)
    configuration.secret = gatewaySecret
    configuration.failRateByChannel = ["push": 0.2]
    configuration.retryRate = 0.02
    configuration.receipts = herald + "/v1/receipts/gateway-{channel}"
    let gateway = try Gateway(configuration, logger: logger)
    self.gateway = gateway
    return "http://127.0.0.1:\(try gateway.start())"
  }

  /// Returns when the receipts of all that was taken are delivered.
  func endGateway() async {
    await gateway?.shutdown(grace: .seconds(10))
    gateway = nil
  }

  /// Herald's own tables, for comparing them with what others saw.
  func ledger() throws -> DemoLedger {
    guard let installation else { throw CancellationError() }
    return DemoLedger(pool: installation.application.db.pool)
  }

  /// Ends everything and removes the directory. Harmless when repeated.
  func end() async {
    await gateway?.shutdown(grace: .milliseconds(100))
    gateway = nil
    work?.cancel()
    await server?.shutdown(grace: .seconds(2))
    await work?.value
    await installation?.close()
    installation = nil
    try? FileManager.default.removeItem(atPath: directory)
  }
}
