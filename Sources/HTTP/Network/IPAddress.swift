import Glibc

/// An IPv4 or IPv6 address; a v4-mapped IPv6 address is the IPv4 one.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
  /// IPv4 lies in the last four bytes with the mapped prefix before it.
  private let high: UInt64
  private let low: UInt64

  private static let mappedPrefix: UInt64 = 0xFFFF

  public var isIPv6: Bool { !(high == 0 && low >> 32 == Self.mappedPrefix) }

  /// 127.0.0.0/8 and ::1.
  public var isLoopback: Bool {
    isIPv6 ? high == 0 && low == 1 : (low >> 24) & 0xFF == 127
  }

  init(v4 address: in_addr) {
    high = 0
    low = Self.mappedPrefix << 32 | UInt64(UInt32(bigEndian: address.s_addr))
  }

  init(v6 address: in6_addr) {
    (high, low) = withUnsafeBytes(of: address) { bytes in
      (
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
  }

  /// Nil for anything but a numeric address without zone and port.
  public init?(parsing text: String) {
    var v4 = in_addr()
    var v6 = in6_addr()
    if inet_pton(AF_INET, text, &v4) == 1 {
      self.init(v4: v4)
    } else if inet_pton(AF_INET6, text, &v6) == 1 {
      self.init(v6: v6)
    } else {
      return nil
    }
  }

  /// Nil for a family that is neither.
  init?(_ storage: sockaddr_storage) {
    switch Int32(storage.ss_family) {
    case AF_INET:
      self.init(
        v4: withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in.self).sin_addr })
    case AF_INET6:
      self.init(
        v6: withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in6.self).sin6_addr })
    default: return nil
    }
  }

  public var description: String {
    if !isIPv6 {
      return (0..<4).map { String((low >> (24 - 8 * UInt64($0))) & 0xFF) }.joined(separator: ".")
    }
    var address = in6_addr()
    withUnsafeMutableBytes(of: &address) { bytes in
      bytes.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
      bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
    }
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(AF_INET6, &address, &text, socklen_t(INET6_ADDRSTRLEN)) != nil else {
      return "::"
    }
    return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Whether the first `bits` bits of the 128-bit form are equal.
  func shares(_ bits: Int, with other: IPAddress) -> Bool {
    func mask(_ bits: Int) -> UInt64 { bits <= 0 ? 0 : bits >= 64 ? .max : .max << (64 - bits) }
    return (high ^ other.high) & mask(bits) == 0 && (low ^ other.low) & mask(bits - 64) == 0
  }
}

/// A block of addresses such as `10.0.0.0/8`, `fd00::/8` or one address.
public struct AddressRange: Sendable, Hashable {
  private let base: IPAddress
  private let bits: Int

  /// Nil when the text is no address or the prefix is too long for it.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let base = IPAddress(parsing: parts[0]) else { return nil }
    let width = base.isIPv6 ? 128 : 32
    guard let prefix = parts.count == 2 ? Int(parts[1]) : width, (0...width).contains(prefix)
    else { return nil }
    self.base = base
    bits = prefix + 128 - width
  }

  public func contains(_ address: IPAddress) -> Bool {
    base.isIPv6 == address.isIPv6 && base.shares(bits, with: address)
  }

  public static let loopback: [AddressRange] = ["127.0.0.0/8", "::1"].compactMap(AddressRange.init)
}
