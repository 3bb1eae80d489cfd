import Conditions
import Cryptography
import Foundation
import HTTP
import JSON
import Postgres
import Synchronization

/// What is asked of a new key.
public struct NewKey: Sendable {
  public let name: String
  public let role: Role
  public let principal: String
  public let expiresAt: Date?
  public let userScope: Condition?

  public init(
    name: String, role: Role, principal: String, expiresAt: Date? = nil,
    userScope: Condition? = nil
  ) {
    self.name = name
    self.role = role
    self.principal = principal
    self.expiresAt = expiresAt
    self.userScope = userScope
  }
}

extension APIKey {
  /// Whether it was made to see no more than a key of `scope`, as `NewKey.within` makes them.
  fileprivate func sees(within scope: Condition?) -> Bool {
    guard let scope else { return true }
    // One that cannot be read may see anybody.
    guard let own = userScope.flatMap({ try? Condition.stored($0) }) else { return false }
    if case .all(let parts) = own, parts.first == scope { return true }
    return own == scope
  }
}

extension NewKey {
  /// The same key, seeing no more users than `scope` does.
  fileprivate func within(_ scope: Condition?) -> NewKey {
    guard let scope else { return self }
    return NewKey(
      name: name, role: role, principal: principal, expiresAt: expiresAt,
      userScope: userScope.map { .all([scope, $0]) } ?? scope)
  }

  /// With the principal in one writing, for who may approve what goes by it.
  fileprivate func normalized() throws -> NewKey {
    let principal = principal.precomposedStringWithCanonicalMapping
    let visible = principal.unicodeScalars.allSatisfy { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
      case .spaceSeparator: scalar == " "
      default: true
      }
    }
    guard visible, principal.first != " ", principal.last != " " else {
      throw HeraldError.invalid(
        "A principal begins and ends with a visible character and has no invisible ones.",
        at: .root.appending("principal"))
    }
    return NewKey(
      name: name, role: role, principal: principal, expiresAt: expiresAt, userScope: userScope)
  }
}

/// API keys: random 256 bits, shown once, stored as SHA-256.
public final class Keys: Sendable {
  private let db: Database
  private let cache = Mutex<[[UInt8]: (caller: Caller, expiresAt: Date?, until: Date)]>([:])
  private let failures = Mutex<[String: (count: Int, since: Date)]>([:])

  /// A revocation by another process is seen after at most this long.
  static let cacheSeconds: TimeInterval = 3
  /// Bad tries of one address in a minute before it is answered 429.
  static let failureLimit = 60

  public init(db: Database) { self.db = db }

  /// Who calls. 401 without a hint at what was wrong; 429 to the guesses of an address that keeps
  /// guessing.
  /// A key that was good before is not turned away for what others do behind the same address.
  /// `keyInBody` is asked when the header has no good one.
  func authenticate(
    _ request: Request, keyInBody: @Sendable () -> String? = { nil }, now: Date
  ) async throws -> Caller {
    let refused = HeraldError(
      .unauthorized,
      "A valid API key is needed: `Authorization: Bearer hk_…`. An admin makes one with "
        + "POST /v1/keys.")
    let header = request.apiKey
    if let header, isKnown(header), let caller = try await find(secret: header, now: now) {
      return caller
    }
    let secrets = [header, keyInBody()].compactMap(\.self)
    guard !secrets.isEmpty else { throw refused }
    if !secrets.contains(where: isKnown), let wait = throttled(request.remoteAddress, now: now) {
      throw HeraldError(
        .throttled, "Too many requests with a bad key from this address; wait and use a valid key.",
        retryAfter: wait)
    }
    for secret in secrets {
      if let caller = try await find(secret: secret, now: now) { return caller }
    }
    countFailure(request.remoteAddress, now: now)
    throw refused
  }

  private func isKnown(_ secret: String) -> Bool {
    let hash = SHA256.hash(Array(secret.utf8))
    return cache.withLock { $0[hash] != nil }
  }

  private func find(secret: String, now: Date) async throws -> Caller? {
    guard secret.hasPrefix("hk_"), secret.utf8.count <= 200 else { return nil }
    let hash = SHA256.hash(Array(secret.utf8))
    if let known = cache.withLock({ $0[hash] }), known.until > now {
      return known.expiresAt.map { $0 > now } ?? true ? known.caller : nil
    }
    let key = try await db.read { try KeyStore.find(hash: hash, in: $0) }
    guard let key, key.revokedAt == nil, key.expiresAt.map({ $0 > now }) ?? true else {
      cache.withLock { _ = $0.removeValue(forKey: hash) }
      return nil
    }
    let caller = Caller(
      keyID: key.id, principal: key.principal, role: key.role,
      userScope: try key.userScope.map(Condition.stored))
    cache.withLock { cache in
      if cache.count > 10_000 { cache.removeAll() }
      cache[hash] = (caller, key.expiresAt, now.addingTimeInterval(Self.cacheSeconds))
    }
    return caller
  }

  /// Mints a key and returns it with its secret, which cannot be had again. A maker with a user
  /// scope gives it on: no key reaches beyond the one that made it.
  public func create(
    _ new: NewKey, by caller: Caller, now: Date
  ) async throws -> (key: APIKey, secret: String) {
    let secret = Self.makeSecret()
    let id = UUIDv7.next(now: now)
    let new = try new.within(caller.userScope).normalized()
    let key = try await db.write { tx in
      if let other = try KeyStore.likeness(of: new.principal, in: tx) {
        throw HeraldError.invalid(
          "There is a principal '\(other)' already. Write it the same for the same person, and more "
            + "differently for another one.", at: .root.appending("principal"))
      }
      if let scope = new.userScope {
        try UserScope.check(scope, at: .root.appending("user_scope"), now: now, in: tx)
      }
      try Self.insert(id, secret: secret, new, by: caller, now: now, in: tx)
      return try KeyStore.load(id, in: tx)
    }
    return (key, secret)
  }

  /// Installs `secret` (or a new one) as admin key when there is no key at all. Returns the secret
  /// when one was installed.
  public func bootstrap(secret: String?, now: Date) async throws -> String? {
    let secret = secret ?? Self.makeSecret()
    let id = UUIDv7.next(now: now)
    let installed = try await db.write { tx in
      try tx.execute("LOCK TABLE api_keys IN SHARE ROW EXCLUSIVE MODE")
      guard try KeyStore.isEmpty(in: tx) else { return false }
      let new = NewKey(name: "first admin", role: .admin, principal: "admin")
      try Self.insert(id, secret: secret, new, by: .herald, now: now, in: tx)
      return true
    }
    return installed ? secret : nil
  }

  public func revoke(_ id: UUID, by caller: Caller, now: Date) async throws {
    try await db.write { tx in
      let key = try KeyStore.load(id, in: tx)
      if !key.sees(within: caller.userScope) {
        try caller.mustSeeEverybody(", and that one may see others. Use another key.")
      }
      guard try KeyStore.revoke(id, now: now, in: tx) else { return }
      try AuditStore.append(
        AuditEntry("key.revoked", "key", id.text, before: key.auditJSON, by: caller, at: now),
        in: tx)
    }
    cache.withLock { $0 = $0.filter { $0.value.caller.keyID != id } }
  }

  public func list(_ page: PageRequest) async throws -> Page<APIKey> {
    let rows = try await db.read { try KeyStore.list(page, in: $0) }
    return Page(rows, page) { [$0.id.text] }
  }

  private static func insert(
    _ id: UUID, secret: String, _ new: NewKey, by caller: Caller, now: Date, in tx: Transaction
  ) throws {
    try KeyStore.insert(
      id, hash: SHA256.hash(Array(secret.utf8)), prefix: String(secret.prefix(9)), new,
      by: caller, now: now, in: tx)
    let key = try KeyStore.load(id, in: tx)
    try AuditStore.append(
      AuditEntry("key.created", "key", id.text, after: key.auditJSON, by: caller, at: now), in: tx)
  }

  static func makeSecret() -> String { "hk_" + Base64.encodeURL(randomBytes(32)) }

  private func throttled(_ address: String, now: Date) -> Int? {
    failures.withLock { failures in
      guard let known = failures[address] else { return nil }
      let age = now.timeIntervalSince(known.since)
      guard age < 60 else {
        failures.removeValue(forKey: address)
        return nil
      }
      return known.count >= Self.failureLimit ? max(1, 60 - Int(age)) : nil
    }
  }

  private func countFailure(_ address: String, now: Date) {
    failures.withLock { failures in
      if failures.count > 10_000 { failures.removeAll() }
      failures[address, default: (0, now)].count += 1
    }
  }
}

extension Request {
  /// The key of `Authorization: Bearer hk_…`, or of Basic as its user name (as event clients send it).
  var apiKey: String? {
    guard let header = headers["authorization"] else { return nil }
    let parts = header.split(separator: " ", maxSplits: 1)
    guard parts.count == 2 else { return nil }
    if parts[0].lowercased() == "bearer" { return String(parts[1]) }
    guard parts[0].lowercased() == "basic", let bytes = Base64.decode(parts[1]),
      let text = String(validating: bytes, as: UTF8.self)
    else { return nil }
    return text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).first
      .map(String.init)
  }
}
