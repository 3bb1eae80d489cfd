import Foundation
import Glibc
import HTTP

/// Whether a sender's URL leads anywhere.
enum Endpoints {
  /// What keeps requests from going there; nil when the name resolves to an allowed address. Asks the
  /// name service, opens no connection.
  static func obstacle(_ url: String, allowPrivate: Bool) async -> String? {
    if let refusal = HTTPClient.refusal(forURL: url, allowPrivate: allowPrivate) {
      return "its url cannot be used: \(refusal)"
    }
    guard let host = URLComponents(string: url)?.host else { return "its url has no host" }
    let name = host.trimmingCharacters(in: ["[", "]"])
    let addresses = await withCheckedContinuation { continuation in
      // getaddrinfo blocks, for many seconds when the name service is down.
      DispatchQueue.global().async { continuation.resume(returning: resolve(name)) }
    }
    guard !addresses.isEmpty else { return "the name \(name) does not resolve" }
    let allowed = addresses.filter { address in
      let literal = address.contains(":") ? "[\(address)]" : address
      return HTTPClient.refusal(forURL: "http://\(literal)/", allowPrivate: allowPrivate) == nil
    }
    return allowed.isEmpty
      ? "\(name) resolves to \(addresses[0]), a private address (HERALD_ALLOW_PRIVATE_ENDPOINTS allows them)"
      : nil
  }

  private static func resolve(_ name: String) -> [String] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var found: [String] = []
    var entry = list
    while let current = entry?.pointee {
      var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      if getnameinfo(
        current.ai_addr, current.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        == 0
      {
        found.append(
          String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
      }
      entry = current.ai_next
    }
    return found
  }
}
