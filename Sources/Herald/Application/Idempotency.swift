import Cryptography
import Foundation
import HTTP
import JSON
import Postgres
import Synchronization

/// The mark of an Idempotency-Key, left by the first transaction of its request: once it is
/// committed the effect has happened, whether or not the answer was stored.
final class IdempotencyMark: Sendable {
  @TaskLocal static var current: IdempotencyMark?

  let scope: [UInt8]
  private let fingerprint: @Sendable () -> [UInt8]
  private let now: Date
  private let written = Mutex(false)
  private let refused = Mutex(false)

  /// `fingerprint` is asked for when the mark is left.
  init(
    scope: [UInt8], fingerprint: @escaping @autoclosure @Sendable () -> [UInt8], now: Date
  ) {
    self.scope = scope
    self.fingerprint = fingerprint
    self.now = now
  }

  /// True for one caller only: the first write of the request carries the mark.
  func takeFirstWrite() -> Bool {
    written.withLock { written in
      defer { written = true }
      return !written
    }
  }

  /// Another process holds the key: what is answered now is not this key's answer.
  var isRefused: Bool { refused.withLock { $0 } }

  /// 409 when another process holds the key.
  func leave(in tx: Transaction) throws {
    guard try IdempotencyStore.lock(scope, in: tx),
      try IdempotencyStore.mark(scope, fingerprint(), now: now, in: tx)
    else {
      refused.withLock { $0 = true }
      throw HeraldError.idempotencyRunning
    }
  }
}

/// `Idempotency-Key` of POST requests, kept 24 hours: same key and body give the same answer, the
/// effect happens once. Keys are scoped by API key. What is answered before a streamed body was read
/// to its end is kept under no key: the whole body may follow under the same one.
public final class Idempotency: Sendable {
  private let db: Database
  private let running = Mutex<Set<[UInt8]>>([])
  /// Effective for this long.
  static let horizon: TimeInterval = 24 * 3600

  init(db: Database) { self.db = db }

  func run(
    _ key: String, _ call: Call, _ body: @Sendable (Call) async throws -> Response
  ) async throws -> Response {
    let key = key.hasPrefix("\"") && key.hasSuffix("\"") ? String(key.dropFirst().dropLast()) : key
    guard (1...255).contains(key.utf8.count),
      key.utf8.allSatisfy({ UInt8(ascii: "!")...UInt8(ascii: "~") ~= $0 })
    else {
      throw HeraldError(
        .badQuery, "Idempotency-Key must have 1 to 255 printable ASCII characters without blanks.")
    }
    let scope = SHA256.hash(Array("\(call.caller.keyID)\u{0}\(key)".utf8))
    let fingerprint = RequestFingerprint(call.request)
    var request = call.request
    request.bodyStream = request.bodyStream.map(fingerprint.counting)
    let counted = Call(request: request, caller: call.caller, now: call.now)
    guard running.withLock({ $0.insert(scope).inserted }) else {
      throw HeraldError.idempotencyRunning
    }
    defer { running.withLock { _ = $0.remove(scope) } }

    let since = call.now.addingTimeInterval(-Self.horizon)
    if let known = try await db.read({ try IdempotencyStore.find(scope, since: since, in: $0) }) {
      if let stream = request.bodyStream { for try await _ in stream {} }
      return try known.replay(fingerprint: fingerprint.value)
    }
    let mark = IdempotencyMark(scope: scope, fingerprint: fingerprint.value, now: call.now)
    let response = try await IdempotencyMark.$current.withValue(mark) { try await body(counted) }
    guard !mark.isRefused, fingerprint.isWhole, response.status < 500, response.status != 429,
      response.status != 401,
      case .bytes(let bytes) = response.body
    else { return response }
    let stored = StoredAnswer(response, bytes, fingerprint.value)
    try await db.pool.write { try IdempotencyStore.save(scope, stored, now: call.now, in: $0) }
    return response
  }

  /// Forgets what is older than the horizon. Called by the housekeeper.
  func prune(now: Date) async throws {
    let before = now.addingTimeInterval(-Self.horizon)
    try await db.pool.write { tx in try IdempotencyStore.prune(before: before, in: tx) }
  }
}

extension HeraldError {
  static let idempotencyRunning = HeraldError(
    .idempotencyRunning,
    "A request with this Idempotency-Key is still running; wait a moment and send it again.",
    retryAfter: 1)
}

/// What was answered under a key. Status 0 means: carried out, but the answer was lost.
struct StoredAnswer: Sendable {
  let status: Int
  let headers: JSONValue
  let body: [UInt8]
  let fingerprint: [UInt8]

  init(status: Int, headers: JSONValue, body: [UInt8], fingerprint: [UInt8]) {
    self.status = status
    self.headers = headers
    self.body = body
    self.fingerprint = fingerprint
  }

  init(_ response: Response, _ body: [UInt8], _ fingerprint: [UInt8]) {
    status = response.status
    var kept = JSONObject()
    for name in ["content-type", "etag", "location"] {
      if let value = response.headers[name] { kept[name] = .string(value) }
    }
    headers = .object(kept)
    self.body = body
    self.fingerprint = fingerprint
  }

  func replay(fingerprint: [UInt8]) throws -> Response {
    guard fingerprint == self.fingerprint else {
      throw HeraldError(
        .idempotencyReused,
        "This Idempotency-Key was used for another request; take a new key for a new request.")
    }
    guard status > 0 else {
      throw HeraldError(
        .conflict,
        "The request under this Idempotency-Key was carried out, but its answer was lost in a "
          + "restart; read the resource to see the outcome.")
    }
    var response = Response(status: status, headers: HTTPHeaders(), body: .bytes(body))
    for (name, value) in headers.objectValue ?? [:] {
      response.headers[name] = value.stringValue
    }
    response.headers["idempotency-replayed"] = "true"
    return response
  }
}

enum IdempotencyStore {
  static func lock(_ scope: [UInt8], in tx: Transaction) throws -> Bool {
    let number = scope.prefix(8).reduce(Int64(0)) { $0 << 8 | Int64($1) }
    return try tx.one("SELECT pg_try_advisory_xact_lock(\(Int(number)))")?.get(0) ?? false
  }

  /// False when the key is taken.
  static func mark(
    _ scope: [UInt8], _ fingerprint: [UInt8], now: Date, in tx: Transaction
  ) throws -> Bool {
    try tx.execute(
      """
      INSERT INTO idempotency_keys (scope, fingerprint, status, headers, body, created_at)
      VALUES (\(Bytea(scope)), \(Bytea(fingerprint)), 0, '{}', '', \(now))
      ON CONFLICT (scope) DO NOTHING
      """) == 1
  }

  static func find(_ scope: [UInt8], since: Date, in db: any Queryable) throws -> StoredAnswer? {
    guard
      let row = try db.one(
        """
        SELECT status, headers, body, fingerprint FROM idempotency_keys
        WHERE scope = \(Bytea(scope)) AND created_at > \(since)
        """)
    else { return nil }
    return StoredAnswer(
      status: try row.get("status"), headers: try row.json("headers"),
      body: try row.get("body", as: Bytea.self).bytes,
      fingerprint: try row.get("fingerprint", as: Bytea.self).bytes)
  }

  static func save(
    _ scope: [UInt8], _ answer: StoredAnswer, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO idempotency_keys (scope, fingerprint, status, headers, body, created_at)
      VALUES (\(Bytea(scope)), \(Bytea(answer.fingerprint)), \(answer.status)::integer,
        \(JSONB(answer.headers)), \(Bytea(answer.body)), \(now))
      ON CONFLICT (scope) DO UPDATE SET status = excluded.status, headers = excluded.headers,
        body = excluded.body, fingerprint = excluded.fingerprint, created_at = excluded.created_at
      """)
  }

  static func prune(before: Date, in tx: Transaction) throws {
    try tx.execute("DELETE FROM idempotency_keys WHERE created_at <= \(before)")
  }
}
