import Conditions
import Foundation
import HTTP
import HeraldTesting
import JSON
import Logging
import Postgres
import Synchronization

@testable import Herald

/// The whole application over a database of its own, called as clients call it but without a
/// socket: keys, roles, Idempotency-Keys and problems are those of a server.
final class HeraldInProcess: Sendable {
  let app: Application
  let clock: TestClock
  let channel: RecordingChannel
  let secrets = SecretsKey.random()
  private let router: Router

  struct Answer {
    let status: Int
    let json: JSONValue
    let headers: HTTPHeaders
    let bytes: [UInt8]

    var code: String? { json["code"]?.stringValue }
    var pointers: [String] {
      json["errors"]?.arrayValue?.compactMap { $0["pointer"]?.stringValue } ?? []
    }
  }

  static func with(_ body: (HeraldInProcess) async throws -> Void) async throws {
    try await withDatabase(migrations: HeraldSchema.migrations) {
      try await body(HeraldInProcess(pool: TestDatabase.current.pool))
    }
  }

  /// Another process on the same database, with the same clock.
  init(
    pool: Pool, clock: TestClock = TestClock(), channel: RecordingChannel = RecordingChannel()
  ) throws {
    self.clock = clock
    self.channel = channel
    let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
    app = Application(
      pool: pool, registry: channel.registry, secrets: secrets,
      publicURL: "https://news.example.com", now: { clock.now }, logger: logger)
    let runner = EndpointRunner(
      keys: app.keys, idempotency: Idempotency(db: app.db), logger: logger, now: { clock.now })
    router = try Router(app.endpoints.flatMap(runner.routes))
  }

  /// Mints a key; its secret.
  func key(
    _ role: Role, _ principal: String, scope: Condition? = nil, by maker: Caller = .herald,
    expiresAt: Date? = nil
  ) async throws -> String {
    let new = NewKey(
      name: "test", role: role, principal: principal, expiresAt: expiresAt, userScope: scope)
    return try await app.keys.create(new, by: maker, now: clock.now).secret
  }

  /// `target`: path and query, percent-encoded.
  func call(
    _ method: HTTPMethod, _ target: String, _ body: JSONValue? = nil, form: String = "",
    key: String? = nil, bytes: [UInt8]? = nil, headers: HTTPHeaders = [:],
    from address: String = "127.0.0.1"
  ) async throws -> Answer {
    var headers = headers
    if let key { headers["authorization"] = "Bearer \(key)" }
    return try await call(
      method, target, raw: bytes ?? body?.bytes ?? Array(form.utf8), headers: headers, from: address
    )
  }

  func call(
    _ method: HTTPMethod, _ target: String, raw bytes: [UInt8], headers: HTTPHeaders,
    stream: BodyStream? = nil, from address: String = "127.0.0.1"
  ) async throws -> Answer {
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    guard case .found(let route, let parameters) = router.match(method, parts[0]) else {
      throw HeraldError(.notFound, "no such route: \(target)")
    }
    let query = URLComponents(string: target)?.queryItems ?? []
    var request = Request(
      method: method, path: parts[0], query: query.map { ($0.name, $0.value ?? "") },
      headers: headers, body: bytes, remoteAddress: address, requestID: "r-1",
      parameters: parameters, pattern: route.pattern)
    if case .streamed = route.body {
      request.body = []
      request.bodyStream = stream ?? BodyStream(pieces: [bytes])
    }
    switch route.handler {
    case .immediate(let handler): return try await Self.answer(handler(request))
    case .async(let handler): return try await Self.answer(handler(request))
    }
  }

  private static func answer(_ response: Response) async throws -> Answer {
    let written = Mutex<[UInt8]>([])
    switch response.body {
    case .empty: break
    case .bytes(let bytes): written.withLock { $0 = bytes }
    case .stream(let produce):
      try await produce(ResponseWriter { bytes in written.withLock { $0 += bytes } })
    }
    let bytes = written.withLock { $0 }
    return Answer(
      status: response.status, json: (try? JSONScanner.parse(bytes)) ?? .null,
      headers: response.headers, bytes: bytes)
  }

  func count(_ sql: SQL) async throws -> Int {
    try await app.db.read { try $0.one(sql)?.get(0) ?? -1 }
  }

  @discardableResult
  func execute(_ sql: SQL) async throws -> Int {
    try await app.db.pool.write { tx in try tx.execute(sql) }
  }
}

/// The business clock of a test; it stands still until it is moved.
final class TestClock: Sendable {
  private let instant: Mutex<Date>

  init(_ start: Date = Date(timeIntervalSince1970: 1_793_000_000)) { instant = Mutex(start) }

  var now: Date { instant.withLock { $0 } }
  func advance(by seconds: TimeInterval) {
    instant.withLock { $0 = $0.addingTimeInterval(seconds) }
  }
}
