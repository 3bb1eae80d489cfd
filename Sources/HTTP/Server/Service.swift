import Logging
import Synchronization

/// What all connections of a server share; immutable but for counters.
final class Service: Sendable {
  let router: Router
  let configuration: ServerConfiguration
  let deadlines: Deadlines
  let counters = ServerCounters()
  let logger: Logger

  /// The configured times in nanoseconds.
  struct Deadlines: Sendable {
    let header, body, idle, write, linger, perByte: UInt64

    init(_ timeouts: ServerConfiguration.Timeouts) {
      header = timeouts.header.nanoseconds
      body = timeouts.body.nanoseconds
      idle = timeouts.idle.nanoseconds
      write = timeouts.write.nanoseconds
      linger = timeouts.linger.nanoseconds
      perByte = 1_000_000_000 / UInt64(max(1, timeouts.minimumRate))
    }
  }

  init(router: Router, configuration: ServerConfiguration, logger: Logger) {
    self.router = router
    self.configuration = configuration
    self.logger = logger
    deadlines = Deadlines(configuration.timeouts)
  }

  /// Whether `count` more bytes of buffered bodies may be held; then `release` must follow.
  func reserve(_ count: Int) -> Bool {
    let before = counters.bufferedBytes.add(count, ordering: .relaxed).oldValue
    if before + count <= configuration.limits.bufferedBytes { return true }
    release(count)
    return false
  }

  func release(_ count: Int) {
    if count > 0 { counters.bufferedBytes.subtract(count, ordering: .relaxed) }
  }

  /// The peer, or what a trusted proxy says: the last address of X-Forwarded-For that is none of
  /// the trusted proxies itself.
  func clientAddress(_ peer: IPAddress, _ headers: HTTPHeaders) -> IPAddress {
    func isTrusted(_ address: IPAddress) -> Bool {
      configuration.trustedProxies.contains { $0.contains(address) }
    }
    guard !configuration.trustedProxies.isEmpty, isTrusted(peer) else { return peer }
    let hops = headers.values(for: "X-Forwarded-For").flatMap { $0.split(separator: ",") }
    var client = peer
    for hop in hops.reversed() {
      let text = hop.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }
      guard let address = IPAddress(parsing: String(text.reversed())) else { return client }
      client = address
      if !isTrusted(address) { return address }
    }
    return client
  }

  /// Whether a field says that the request was forwarded.
  static func isForwarded(_ headers: HTTPHeaders) -> Bool {
    headers.contains("Forwarded") || headers.contains("X-Forwarded-For")
      || headers.contains("X-Real-IP")
  }
}
