import Foundation
import HTTP
import HeraldTesting
import JSON
import Logging
import Migrations
import Postgres
import Synchronization

@testable import Herald

/// The routes of users, tags, events and jobs over a database of their own, called as a client would.
struct PeopleAPI: Sendable {
  static let now = Date(timeIntervalSince1970: 1_793_000_000)
  private static let schema = Migrations.all.map { migration in
    Migration(
      version: migration.version, name: migration.name,
      sql: String(decoding: migration.sql, as: UTF8.self), checksum: "")
  }

  struct Answer {
    let status: Int
    let json: JSONValue
    let headers: HTTPHeaders
    let text: String
  }

  static let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

  let db: Database
  let writer: EventWriter
  let runner: JobRunner
  let partitions: Partitions
  private let router: Router
  private let endpoints: [Endpoint]

  static func with(
    observers: [any EventObserver] = [], limits: EventWriter.Limits = .init(),
    batchSize: Int = 1000,
    _ body: (PeopleAPI) async throws -> Void
  ) async throws {
    try await withDatabase(migrations: schema) {
      let db = Database(pool: TestDatabase.current.pool)
      try await body(
        PeopleAPI(db, observers: observers, limits: limits, batchSize: batchSize))
    }
  }

  private init(
    _ db: Database, observers: [any EventObserver], limits: EventWriter.Limits, batchSize: Int
  ) throws {
    self.db = db
    let logger = Self.logger
    let wake = Wake()
    writer = EventWriter(db: db, logger: logger, observers: observers, limits: limits)
    partitions = Partitions(db: db, settings: { ProjectSettings() }, logger: logger)
    runner = JobRunner(
      db: db, observers: observers, partitions: partitions, logger: logger, wake: wake,
      batchSize: batchSize, now: { PeopleAPI.now })
    let tags = Tags(db: db)
    endpoints =
      UserRoutes.endpoints(Users(db: db)) + ErasureRoutes.endpoints(Erasures(db: db))
      + TagRoutes.endpoints(tags)
      + UserTagRoutes.endpoints(tags) + EventRoutes.endpoints(Events(writer: writer))
      + JobRoutes.endpoints(Jobs(db: db, wake: wake)) + MergeRoutes.endpoints(Merges(db: db))
      + IdentityConflictRoutes.endpoints(IdentityConflicts(db: db))
      + IdentityKindRoutes.endpoints(IdentityKinds(db: db) { ProjectSettings() })
      + AttributeRoutes.endpoints(Attributes(db: db))
    router = try Router(
      endpoints.map { endpoint in
        Route(endpoint.method, endpoint.pattern, handler: .immediate { _ in .noContent })
      })
  }

  static func caller(_ role: Role = .operator) -> Caller {
    Caller(keyID: UUID(), principal: "li.lei", role: role)
  }

  /// `target`: path and query, percent-encoded.
  func call(
    _ method: HTTPMethod, _ target: String, _ body: JSONValue? = nil, bytes: [UInt8]? = nil,
    headers: HTTPHeaders = [:], as caller: Caller = caller(), now: Date = now
  ) async throws -> Answer {
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    guard case .found(let route, let parameters) = router.match(method, parts[0]),
      let endpoint = endpoints.first(where: { $0.method == method && $0.pattern == route.pattern })
    else { throw HeraldError(.notFound, "no such route: \(target)") }
    let query = URLComponents(string: target)?.queryItems ?? []
    let content = bytes ?? body?.bytes ?? []
    var request = Request(
      method: method, path: parts[0], query: query.map { ($0.name, $0.value ?? "") },
      headers: headers, body: content, requestID: "r-1", parameters: parameters,
      pattern: route.pattern)
    if case .streamed = endpoint.body {
      request.body = []
      request.bodyStream = BodyStream(pieces: [content])
    }
    do {
      return try await Self.answer(
        endpoint.handler(Call(request: request, caller: caller, now: now)))
    } catch {
      return try await Self.answer(
        EndpointRunner.response(EndpointRunner.heraldError(error), requestID: "r-1"))
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
      headers: response.headers, text: String(decoding: bytes, as: UTF8.self))
  }

  /// Creates a user of that external_id; the id.
  @discardableResult
  func user(_ externalID: String, _ more: JSONObject = [:]) async throws -> String {
    var body: JSONObject = ["identities": ["external_id": .string(externalID)]]
    for (key, value) in more { body[key] = value }
    return try await call(.post, "/v1/users", .object(body)).json["id"]?.stringValue ?? ""
  }

  func count(_ sql: SQL) async throws -> Int {
    try await db.read { try $0.one(sql)?.get(0) ?? -1 }
  }
}
