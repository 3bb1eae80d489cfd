import CLibCrypto

/// HMAC with SHA-256 (RFC 2104, RFC 4231).
public enum HMACSHA256 {
  /// The authentication code of `message`, 32 bytes. Compare it only with ``constantTimeEquals(_:_:)``.
  public static func authenticate(
    _ message: some Collection<UInt8>, key: some Collection<UInt8>
  ) -> [UInt8] {
    // The construction of RFC 2104 over the value type: EVP would look its provider up on each call.
    var block = [UInt8](repeating: 0, count: 64)
    let shortKey = key.count > block.count ? SHA256.hash(key) : Array(key)
    block.replaceSubrange(0..<shortKey.count, with: shortKey)

    var inner = SHA256()
    inner.update(block.map { $0 ^ 0x36 })
    inner.update(message)
    var outer = SHA256()
    outer.update(block.map { $0 ^ 0x5C })
    outer.update(inner.finalize())
    return outer.finalize()
  }
}

/// Whether both hold the same bytes. The time taken depends on the lengths, never on the contents.
public func constantTimeEquals(
  _ left: some Collection<UInt8>, _ right: some Collection<UInt8>
) -> Bool {
  withContiguousBytes(left) { left in
    withContiguousBytes(right) { right in
      guard left.count == right.count else { return false }
      guard let first = left.baseAddress, let second = right.baseAddress else { return true }
      return CRYPTO_memcmp(first, second, left.count) == 0
    }
  }
}
