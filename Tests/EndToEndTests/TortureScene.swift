import Foundation
import Glibc
import HTTP
import HeraldTesting
import JSON
import Logging
import Postgres
import Testing

/// A migrated database that flushes to disk, a gateway that logs every call before it answers, and
/// Herald in as many processes as a test likes.
struct TortureScene: Sendable {
  static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
  private static let adminKey = "hk_torture_admin_key_for_tests"

  /// Nil where the test is content with the database of all tests, which must not be crashed.
  let durable: DurableCluster?
  let url: String
  /// For looking at the tables; Herald has its own connections.
  let pool: Pool
  let programs: ProgramGroup
  let directory: String
  let gateway: String
  let port: Int
  /// Of the administrator.
  let api: APIClient
  let leaseSeconds: Int

  var gatewayLog: String { directory + "/calls.jsonl" }

  struct Setting {
    var leaseSeconds = 2
    /// Between the gateway's log line and its answer: what makes kills find something in flight.
    var latency = 30
    var failRate = 0.02
    var retryRate = 0.02
  }

  /// - Parameter needsCrashes: whether it must be the PostgreSQL that may be crashed.
  static func run(
    _ setting: Setting = Setting(), needsCrashes: Bool = true,
    _ body: (TortureScene) async throws -> Void
  ) async throws {
    let durable = DurableCluster.current
    if needsCrashes { try #require(durable != nil) }
    var template = Array("/tmp/herald-torture.XXXXXX".utf8CString)
    let made = try #require(mkdtemp(&template))
    let directory = String(cString: made)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await emptyDatabase(durable) { url in
      let programs = try ProgramGroup(directory: directory)
      let pool = Pool(
        PoolConfiguration(
          url: url, size: 2, statementTimeout: .seconds(120), applicationName: "torture"),
        logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
      let result: Result<Void, any Error>
      do {
        let scene = try await open(durable, url, pool, programs, directory, setting)
        result = .success(try await body(scene))
      } catch {
        result = .failure(error)
      }
      await programs.end()
      await pool.close()
      try result.get()
    }
  }

  var cluster: DurableCluster { get throws { try #require(durable) } }

  private static func emptyDatabase(
    _ durable: DurableCluster?, _ body: (String) async throws -> Void
  ) async throws {
    if let durable { return try await durable.withDatabase(body) }
    try await withDatabase(migrations: []) { try await body(TestDatabase.current.url) }
  }

  private static func open(
    _ durable: DurableCluster?, _ url: String, _ pool: Pool, _ programs: ProgramGroup,
    _ directory: String, _ setting: Setting
  ) async throws -> TortureScene {
    let migration = try programs.start(
      "migrate", [binary, "migrate"], environment: ["HERALD_DATABASE_URL": url])
    guard await migration.end(within: .seconds(60)) == 0 else {
      throw Program.Failure(description: migration.output)
    }
    let gateway = try programs.start(
      "gateway",
      [
        binary, "gateway", "--listen", "127.0.0.1:0", "--log", directory + "/calls.jsonl",
        "--secret", secret, "--latency", "\(setting.latency)", "--fail-rate",
        "\(setting.failRate)", "--retry-rate", "\(setting.retryRate)", "--quiet",
      ])
    let said = try await eventually("the gateway listens") {
      gateway.output.firstMatch(of: /Listening on (127\.0\.0\.1:\d+)\./)?.1
    }
    let port = try freePort()
    return TortureScene(
      durable: durable, url: url, pool: pool, programs: programs, directory: directory,
      gateway: "http://\(said)", port: port,
      api: APIClient(base: "http://127.0.0.1:\(port)", key: adminKey),
      leaseSeconds: setting.leaseSeconds)
  }

  /// The program under test: the one `make torture` names, else the one built with the tests.
  static var binary: String {
    if let named = ProcessInfo.processInfo.environment["HERALD_TORTURE_BINARY"] { return named }
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("herald")
      .path
  }

  /// Starts a process of Herald.
  /// - Parameters:
  ///   - url: another way to the database than its own URL.
  ///   - isMoved: whether its business clock is the test's.
  func start(
    _ roles: String = "api,worker", port: Int? = nil, through url: String? = nil,
    environment: [String: String] = [:], isMoved: Bool = false
  ) throws -> Program {
    try programs.start(
      "herald", [Self.binary, "serve"] + (isMoved ? ["--test-clock"] : []),
      environment: [
        "HERALD_DATABASE_URL": url ?? self.url, "HERALD_DATA_DIR": directory,
        "HERALD_SECRETS_KEY": String(repeating: "5a", count: 32),
        "HERALD_ADMIN_KEY": Self.adminKey, "HERALD_LISTEN": "127.0.0.1:\(port ?? self.port)",
        "HERALD_ALLOW_PRIVATE_ENDPOINTS": "1", "HERALD_ROLES": roles,
        "HERALD_LEASE_SECONDS": "\(leaseSeconds)", "HERALD_LOG_LEVEL": "notice",
      ].merging(environment) { $1 })
  }

  /// Looks at the tables, past Herald. The pool's connections may be those of a server that has
  /// crashed since.
  func look<T: Sendable>(
    _ body: @escaping @Sendable (any Queryable) throws -> T
  ) async throws -> T {
    try await Self.eventually("the database answers") {
      do {
        return try await pool.read(body)
      } catch let error as PostgresError where error.isUnavailable {
        return nil
      }
    }
  }

  /// Returns when the API serves.
  func ready(_ program: Program, port: Int? = nil) async throws {
    let client =
      port.map { APIClient(base: "http://127.0.0.1:\($0)", key: Self.adminKey) } ?? api
    _ = try await Self.eventually("Herald is ready") { () -> Bool? in
      if let status = program.status {
        throw Program.Failure(description: "Herald ended with \(status):\n\(program.output)")
      }
      guard case .response(let response) = await client.send("GET", "/readyz") else { return nil }
      return response.status == 200 ? true : nil
    }
  }

  /// Looks until there is something; an error after a minute.
  static func eventually<T>(
    _ what: String, within limit: Duration = .seconds(60),
    every pause: Duration = .milliseconds(10),
    _ look: () async throws -> T?
  ) async throws -> T {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
      if let found = try await look() { return found }
      try await Task.sleep(for: pause)
    }
    throw Program.Failure(description: "it did not happen within \(limit) that \(what)")
  }

  static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let failure = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) != 0 || getsockname(descriptor, $0, &length) != 0
      }
    }
    guard !failure else { throw Program.Failure(description: "no free port") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
