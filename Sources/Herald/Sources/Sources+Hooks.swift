import Foundation
import HTTP
import JSON
import Postgres
import Synchronization

/// A source with its secrets, ready to judge requests.
struct OpenedSource: Sendable {
  let source: Source
  let secrets: JSONObject

  /// The signing secrets that are good now, the newest first.
  func signingSecrets(now: Date) -> [String] {
    var good = [secrets[SourceSignature.secretField]?.stringValue].compactMap(\.self)
    if let previous = secrets[SourceSignature.previousField]?.stringValue,
      let until = source.signature?.previousUntil, now < until
    {
      good.append(previous)
    }
    return good
  }
}

extension Sources {
  /// A change by another process is seen after at most this long.
  static let cacheSeconds: TimeInterval = 3
  /// Bad signatures of one source in a minute before they are answered 429.
  static let refusalLimit = 60
  static let bodyBytes = 8 << 20
  /// Of requests being stored; beyond it new ones are turned away.
  static let pendingBytes = 64 << 20

  /// What a webhook brings is durable when this returns. Nothing of a request whose signature does not
  /// hold is stored.
  func take(_ request: Request, from key: String, now: Date) async throws -> SourceTally {
    let opened = try await opened(key, now: now)
    guard let signature = opened.source.signature else {
      throw HeraldError.notFound("source", key)
    }
    let id: String?
    do throws(SourceSignature.Failure) {
      id = try signature.verify(
        SignedRequest(
          body: request.body, header: { request.headers[$0] }, query: { request.query($0) }),
        secrets: opened.signingSecrets(now: now), now: now)
    } catch {
      throw refusal(of: key, now: now)
    }
    let headers = Self.kept(request.headers, but: signature.sensitiveHeaders)
    let delivery = SourceDelivery(
      source: opened.source, deliveryID: id, headers: headers,
      content: try Self.content(request.body, opened.source.mapping, headers), receivedAt: now)
    let bytes = request.body.count
    try reserve(bytes)
    defer { pending.withLock { $0 -= bytes } }
    return try await db.write { [intake] tx in try intake.take(delivery, now: now, in: tx) }
  }

  private func opened(_ key: String, now: Date) async throws -> OpenedSource {
    if let known = cache.withLock({ $0[key] }), known.until > now { return known.opened }
    let stored = try await db.read { try SourceStore.load(key, in: $0) }
    let opened = OpenedSource(source: stored.source, secrets: try open(stored))
    cache.withLock { cache in
      if cache.count > 1000 { cache.removeAll() }
      cache[key] = (opened, now.addingTimeInterval(Self.cacheSeconds))
    }
    return opened
  }

  /// Requests that hold are never turned away for those that do not.
  private func refusal(of key: String, now: Date) -> HeraldError {
    let wait = refusals.withLock { refusals -> Int? in
      if refusals.count > 1000 { refusals.removeAll() }
      var known = refusals[key] ?? (0, now)
      if now.timeIntervalSince(known.since) >= 60 { known = (0, now) }
      known.count += 1
      refusals[key] = known
      guard known.count > Self.refusalLimit else { return nil }
      return max(1, 60 - Int(now.timeIntervalSince(known.since)))
    }
    if let wait {
      return HeraldError(
        .throttled, "Too many requests to this source with a bad signature; wait and mend it.",
        retryAfter: wait)
    }
    return HeraldError(
      .unauthorized,
      "The signature does not hold: sign the very bytes sent, with the secret and in the scheme of "
        + "this source, and where it signs the time, send at once.")
  }

  private func reserve(_ bytes: Int) throws {
    let isFull = pending.withLock { pending in
      guard pending == 0 || pending + bytes <= Self.pendingBytes else { return true }
      pending += bytes
      return false
    }
    if isFull {
      throw HeraldError(
        .unavailable, "More is waiting than can be written; send it again in a moment.",
        retryAfter: 1)
    }
  }

  static func content(
    _ body: [UInt8], _ mapping: SourceMapping, _ headers: JSONObject
  ) throws -> SourceDelivery.Content {
    let field = JSONPointer(tokens: ["mapping", "items"])
    let json: JSONValue
    do throws(JSONFault) { json = try JSONScanner.parse(body) } catch {
      return .unreadable(body, MappingFault(error.code, .root, at: error.pointer, error.detail))
    }
    let items: [ForeignItem]
    do throws(MappingFault) {
      items = try SourceMapping.split(json, at: mapping.items, field: field, headers: headers)
    } catch {
      return .unreadable(body, error)
    }
    guard items.count <= SourceMapping.itemLimit else {
      throw HeraldError(
        .tooLarge, "A request brings at most \(SourceMapping.itemLimit) items; send fewer at once.")
    }
    return .items(items)
  }

  private static let privateHeaders: Set<String> = [
    "authorization", "cookie", "proxy-authorization", "x-api-key", "forwarded",
    "x-real-ip", "host", "accept", "content-length", "connection",
  ]

  /// By lower-case names, for mapping and for the dead letters; without secrets and without where the
  /// request came from.
  static func kept(_ headers: HTTPHeaders, but sensitive: Set<String>) -> JSONObject {
    var kept = JSONObject()
    var bytes = 0
    for (name, value) in headers {
      let name = name.lowercased()
      guard !privateHeaders.contains(name), !sensitive.contains(name),
        !name.hasPrefix("x-forwarded-"), kept[name] == nil, !value.utf8.contains(0)
      else { continue }
      bytes += name.utf8.count + value.utf8.count
      guard bytes <= 8192 else { break }
      kept[name] = .string(value)
    }
    return kept
  }
}
