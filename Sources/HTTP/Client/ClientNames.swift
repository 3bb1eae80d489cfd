import CLibCurl

/// What the loop remembers of host names: addresses for half a minute, failures for a second.
///
/// Belongs to the loop's thread. It gives out pins, the addresses in libcurl's form, so that libcurl
/// never resolves a name that was not checked.
struct ClientNames {
  enum Answer {
    case pinned(ClientPin)
    case refused(ClientRefusal)
    /// Nothing fresh is known: resolve.
    case missing
  }

  private struct Entry {
    let result: Result<[ClientAddress], ClientRefusal>
    let expiry: ContinuousClock.Instant
    var pins: [Int: ClientPin] = [:]
  }

  private static let maximumCount = 2048
  private var entries: [String: Entry] = [:]
  private let allowPrivate: Bool

  init(allowPrivate: Bool) { self.allowPrivate = allowPrivate }

  mutating func store(
    _ result: Result<[ClientAddress], ClientRefusal>, for host: String,
    now: ContinuousClock.Instant
  ) {
    if entries.count >= Self.maximumCount {
      entries = entries.filter { $0.value.expiry > now }
      if entries.count >= Self.maximumCount { entries = [:] }
    }
    let checked = result.flatMap { check($0, host: host) }
    let lifetime: Duration = if case .success = checked { .seconds(30) } else { .seconds(1) }
    entries[host] = Entry(result: checked, expiry: now + lifetime)
  }

  mutating func answer(for target: ClientTarget, now: ContinuousClock.Instant) -> Answer {
    guard let entry = entries[target.host], entry.expiry > now else { return .missing }
    switch entry.result {
    case .failure(let refusal): return .refused(refusal)
    case .success(let addresses):
      if let pin = entry.pins[target.port] { return .pinned(pin) }
      guard let pin = ClientPin(host: target.host, port: target.port, addresses: addresses) else {
        return .refused(ClientRefusal(reason: "out of memory"))
      }
      entries[target.host]?.pins[target.port] = pin
      return .pinned(pin)
    }
  }

  /// Keeps the permitted addresses; a name that has none is refused.
  private func check(
    _ addresses: [ClientAddress], host: String
  ) -> Result<[ClientAddress], ClientRefusal> {
    guard let first = addresses.first else {
      return .failure(ClientRefusal(reason: "\(host) has no address"))
    }
    let allowed = addresses.filter { allowPrivate || $0.forbiddenKind == nil }
    guard allowed.isEmpty else { return .success(allowed) }
    return .failure(.forbidden("\(host) (\(first))", kind: first.forbiddenKind ?? "forbidden"))
  }
}

/// The addresses of a host in the form of CURLOPT_RESOLVE; shared by the transfers that use them.
///
/// `@unchecked`: the list is never changed after `init`.
final class ClientPin: @unchecked Sendable {
  let list: UnsafeMutablePointer<curl_slist>

  /// Nil when there is no memory.
  init?(host: String, port: Int, addresses: [ClientAddress]) {
    let texts = addresses.prefix(16).map { $0.bytes.count == 4 ? "\($0)" : "[\($0)]" }
    // The plus lets libcurl forget the entry; without it, it would keep every name for ever.
    let entry = "+\(host):\(port):\(texts.joined(separator: ","))"
    guard let list = curl_slist_append(nil, entry) else { return nil }
    self.list = list
  }

  deinit { curl_slist_free_all(list) }
}
