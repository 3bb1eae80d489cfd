import CLibCrypto

/// SHA-256 (FIPS 180-4), in one call or in pieces.
///
/// A value: a copy made half-way goes on independently, so a common prefix need be hashed only once.
public struct SHA256: Sendable {
  public static let byteCount = 32

  private var context = SHA256_CTX()

  public init() {
    // Cannot fail: it sets constants.
    SHA256_Init(&context)
  }

  public mutating func update(_ bytes: some Collection<UInt8>) {
    withContiguousBytes(bytes) { buffer in
      _ = SHA256_Update(&context, buffer.baseAddress, buffer.count)
    }
  }

  public mutating func update(_ byte: UInt8) {
    update(CollectionOfOne(byte))
  }

  /// The digest, 32 bytes. The state is left as it was: more can be appended afterwards.
  public func finalize() -> [UInt8] {
    var copy = context
    return [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
      SHA256_Final(buffer.baseAddress, &copy)
      count = Self.byteCount
    }
  }

  /// The digest of `bytes`, 32 bytes.
  public static func hash(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var hash = SHA256()
    hash.update(bytes)
    return hash.finalize()
  }
}

/// Calls `body` with the bytes in one piece, copying them only when the collection has no such piece.
/// The buffer's base address may be nil when it is empty.
func withContiguousBytes<Result>(
  _ bytes: some Collection<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> Result
) -> Result {
  if let result = bytes.withContiguousStorageIfAvailable(body) { return result }
  return Array(bytes).withUnsafeBufferPointer(body)
}
