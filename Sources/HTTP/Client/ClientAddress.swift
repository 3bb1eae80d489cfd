import Foundation

/// An IP address, and whether requests to addresses chosen by users may go there.
struct ClientAddress: Sendable, Hashable, CustomStringConvertible {
  /// Four or sixteen, in network order.
  let bytes: [UInt8]

  /// Dotted quad or RFC 4291 text; no other notation, no zone.
  init?(literal text: String) {
    var four = in_addr()
    var six = in6_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      bytes = withUnsafeBytes(of: four) { Array($0) }
    } else if inet_pton(AF_INET6, text, &six) == 1 {
      bytes = withUnsafeBytes(of: six) { Array($0) }
    } else {
      return nil
    }
  }

  /// Nil for families other than IPv4 and IPv6. `address` must be as long as its family says.
  init?(_ address: UnsafePointer<sockaddr>) {
    let raw = UnsafeRawPointer(address)
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      let four = raw.loadUnaligned(as: sockaddr_in.self).sin_addr
      bytes = withUnsafeBytes(of: four) { Array($0) }
    case AF_INET6:
      let six = raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr
      bytes = withUnsafeBytes(of: six) { Array($0) }
    default:
      return nil
    }
  }

  var description: String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// What keeps a request away from here ("loopback", "private", …); nil for a public unicast address.
  /// After the IANA special-purpose registries; IPv6 outside 2000::/3 is refused but for NAT64, which
  /// is judged by the IPv4 address inside.
  var forbiddenKind: String? {
    bytes.count == 4 ? Self.kind(ofFour: bytes) : Self.kind(ofSix: bytes)
  }

  private static let forbiddenFour: [(network: [UInt8], bits: Int, kind: String)] = [
    ([0, 0, 0, 0], 8, "unspecified"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "carrier-grade NAT"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([168, 63, 129, 16], 32, "metadata"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 88, 99, 0], 24, "reserved"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
  ]

  private static let forbiddenSix: [(network: [UInt8], bits: Int, kind: String)] = [
    ([UInt8](repeating: 0, count: 16), 128, "unspecified"),
    ([UInt8](repeating: 0, count: 15) + [1], 128, "loopback"),
    ([UInt8](repeating: 0, count: 10) + [0xFF, 0xFF], 96, "IPv4-mapped"),
    ([0xFC], 7, "private"),
    ([0xFE, 0x80], 10, "link-local"),
    ([0xFE, 0xC0], 10, "site-local"),
    ([0xFF], 8, "multicast"),
    ([0x20, 0x01, 0x00], 23, "reserved"),  // Teredo, ORCHID and other protocol assignments
    ([0x20, 0x01, 0x0D, 0xB8], 32, "documentation"),
    ([0x20, 0x02], 16, "6to4"),
    ([0x3F, 0xFF, 0x00], 20, "documentation"),
  ]

  private static let nat64: [UInt8] = [0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0]

  private static func kind(ofFour bytes: [UInt8]) -> String? {
    forbiddenFour.first { matches(bytes, $0.network, bits: $0.bits) }?.kind
  }

  private static func kind(ofSix bytes: [UInt8]) -> String? {
    if bytes.starts(with: nat64) {
      return kind(ofFour: Array(bytes.suffix(4))).map { "NAT64 of a \($0)" }
    }
    if let found = forbiddenSix.first(where: { matches(bytes, $0.network, bits: $0.bits) }) {
      return found.kind
    }
    return matches(bytes, [0x20], bits: 3) ? nil : "reserved"
  }

  private static func matches(_ bytes: [UInt8], _ network: [UInt8], bits: Int) -> Bool {
    let whole = bits / 8
    guard bytes.prefix(whole).elementsEqual(network.prefix(whole)) else { return false }
    let rest = bits % 8
    guard rest > 0, whole < bytes.count, whole < network.count else { return rest == 0 }
    let mask = ~(UInt8.max >> UInt8(rest))
    return bytes[whole] & mask == network[whole] & mask
  }
}

/// Why a request is not sent.
struct ClientRefusal: Error, Sendable, Equatable {
  let reason: String
  /// Because of where it would go.
  var isForbidden = false

  /// The wall against requests into one's own network.
  static func forbidden(_ place: String, kind: String) -> ClientRefusal {
    ClientRefusal(
      reason: "\(place) is a \(kind) address, which endpoints may not use unless "
        + "HERALD_ALLOW_PRIVATE_ENDPOINTS allows it", isForbidden: true)
  }

  var outcome: ClientOutcome {
    isForbidden ? .forbidden(reason: reason) : .notSent(reason: reason)
  }
}
