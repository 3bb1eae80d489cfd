import ArgumentParser
import Foundation
import HTTP
import Herald
import Logging

/// `herald serve`
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the API and dispatch approved plans.",
    discussion: """
      Without HERALD_DATABASE_URL it keeps a private PostgreSQL in its data directory. The first \
      start prints the admin key once (or writes it to a file when there is no terminal).

      Examples:
        herald serve
        herald serve --listen 0.0.0.0:8080 --data-dir /srv/herald
        HERALD_DATABASE_URL=postgres://herald_app@db/herald HERALD_ROLES=worker herald serve
      """)

  @Option(help: "host:port (HERALD_LISTEN; 127.0.0.1:8080).") var listen: String?
  @Option(help: "Where the private database and files are (HERALD_DATA_DIR).") var dataDir: String?
  @Option(help: "PostgreSQL to use instead of the private one (HERALD_DATABASE_URL).")
  var databaseUrl: String?
  @Option(help: "api, worker or both (HERALD_ROLES).") var roles: String?
  @Option(help: "A file of NAME=value lines (HERALD_CONFIG).") var config: String?
  @Flag(help: .hidden) var testClock = false

  func run() async throws {
    let configuration = try settings()
    Logs.bootstrap(level: configuration.logLevel, format: configuration.logFormat)
    ProcessLimits.apply()
    let logger = Logger(label: "herald")
    for warning in configuration.unknownNames { logger.warning("\(warning)") }
    let signals = SignalWait()
    let reloading = Reload { try self.settings().logLevel }
    defer { reloading.cancel() }
    let clock = try TestClock.open(isAllowed: testClock)
    if clock != nil { logger.critical("business time is a test's: --test-clock") }
    let installation = try await Installation.open(
      configuration, role: .serve, now: { clock?.now ?? Date() }, logger: logger)
    do {
      if try await installation.application.restorations.detect(now: installation.now()) {
        logger.critical(
          "this database was restored from a backup: dispatch is stopped until `herald resume --after-restore`"
        )
      }
      try await FirstKey.install(installation)
      try await serve(installation, clock, until: signals, logger)
    } catch {
      await installation.close()
      throw error
    }
    await installation.close()
    logger.info("stopped")
  }

  private func settings() throws -> Configuration {
    try Configuration(
      flags: [
        "HERALD_LISTEN": listen, "HERALD_DATA_DIR": dataDir, "HERALD_DATABASE_URL": databaseUrl,
        "HERALD_ROLES": roles, "HERALD_CONFIG": config,
      ].compactMapValues { $0 })
  }

  private func serve(
    _ installation: Installation, _ clock: TestClock?, until signals: SignalWait, _ logger: Logger
  ) async throws {
    let configuration = installation.configuration
    var server: Server?
    if configuration.roles.contains(.api) {
      var http = ServerConfiguration()
      http.host = configuration.listenHost
      http.port = configuration.listenPort
      http.trustedProxies = configuration.trustedProxies
      http.accessLog = AccessLog.writer(logger)
      let started = try installation.application.server(http)
      let port: Int
      do {
        port = try started.start()
      } catch let error as ListenError {
        throw Installation.Refusal(
          description: "Herald \(error). Stop what listens there, or choose another address with "
            + "--listen or HERALD_LISTEN.")
      }
      logger.info("serving", metadata: ["address": "\(configuration.listenHost):\(port)"])
      server = started
    }
    let work = Task {
      guard configuration.roles.contains(.worker) else { return }
      let application = installation.application
      async let following: Void? = clock?.follow { application.wake.call() }
      await application.work()
      await following
    }
    while await !signals.wait(for: .seconds(3600)) {}
    logger.info("stopping")
    work.cancel()
    installation.application.liveFeeds.close()
    async let drained: Void = work.value
    await server?.shutdown(grace: .seconds(20))
    await drained
  }
}

/// What is logged of each request: the route's pattern, never the path.
enum AccessLog {
  static func writer(_ logger: Logger) -> @Sendable (AccessEntry) -> Void {
    { entry in
      let quiet =
        entry.pattern == "/healthz" || entry.pattern == "/readyz" || entry.pattern == "/metrics"
      let milliseconds =
        Double(entry.duration.components.attoseconds) / 1e15
        + Double(entry.duration.components.seconds) * 1000
      logger.log(
        level: quiet ? .debug : .info, "request",
        metadata: [
          "request_id": "\(entry.requestID)", "method": "\(entry.method?.rawValue ?? "-")",
          "route": "\(entry.pattern ?? "-")", "status": "\(entry.status)",
          "ms": "\((milliseconds * 10).rounded() / 10)", "in": "\(entry.bytesIn)",
          "out": "\(entry.bytesOut)",
        ])
    }
  }
}
