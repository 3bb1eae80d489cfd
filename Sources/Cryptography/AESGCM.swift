import CLibCrypto

/// AES-256 in Galois/Counter Mode (NIST SP 800-38D).
///
/// A sealed message is nonce (12 bytes) ‖ ciphertext ‖ tag (16 bytes). Nonces are random, so one key
/// should seal no more than 2^32 messages.
public enum AESGCM {
  public static let keyByteCount = 32
  static let nonceByteCount = 12
  static let tagByteCount = 16

  public enum Failure: Error, Sendable, Equatable {
    /// The key is not 32 bytes long.
    case keyLength
    /// Wrong key, wrong additional data, or a message that was altered or cut. Which one is not told.
    case notAuthentic
    /// Plaintext or additional data of 2 GiB or more.
    case tooLong
    /// libcrypto refused, for want of memory or of the cipher itself.
    case library
  }

  /// `additionalData` is authenticated, not encrypted, and must be given again to ``open``.
  public static func seal(
    _ plaintext: some Collection<UInt8>, key: [UInt8],
    additionalData: some Collection<UInt8> = EmptyCollection()
  ) throws(Failure) -> [UInt8] {
    let nonce = randomBytes(nonceByteCount)
    let cipher = try Cipher(encrypting: true, key: key, nonce: nonce)
    try cipher.authenticate(additionalData)
    let ciphertext = try cipher.transform(plaintext)
    guard cipher.finish() else { throw .library }
    return nonce + ciphertext + (try cipher.tag())
  }

  /// The plaintext, once its authenticity is established; nothing is revealed otherwise.
  public static func open(
    _ sealed: some Collection<UInt8>, key: [UInt8],
    additionalData: some Collection<UInt8> = EmptyCollection()
  ) throws(Failure) -> [UInt8] {
    guard key.count == keyByteCount else { throw .keyLength }
    let sealed = Array(sealed)
    guard sealed.count >= nonceByteCount + tagByteCount else { throw .notAuthentic }
    let nonce = Array(sealed.prefix(nonceByteCount))
    let cipher = try Cipher(encrypting: false, key: key, nonce: nonce)
    try cipher.authenticate(additionalData)
    let plaintext = try cipher.transform(sealed.dropFirst(nonceByteCount).dropLast(tagByteCount))
    try cipher.expect(tag: Array(sealed.suffix(tagByteCount)))
    guard cipher.finish() else { throw .notAuthentic }
    return plaintext
  }
}

/// One encryption or decryption; the order is authenticate, transform, (expect), finish, (tag).
private final class Cipher {
  private let context: OpaquePointer

  init(encrypting: Bool, key: [UInt8], nonce: [UInt8]) throws(AESGCM.Failure) {
    guard key.count == AESGCM.keyByteCount else { throw .keyLength }
    guard let context = EVP_CIPHER_CTX_new() else { throw .library }
    self.context = context
    guard EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, encrypting ? 1 : 0) == 1
    else { throw .library }
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  func authenticate(_ data: some Collection<UInt8>) throws(AESGCM.Failure) {
    guard !data.isEmpty else { return }
    guard let count = Int32(exactly: data.count) else { throw .tooLong }
    let done = withContiguousBytes(data) { buffer in
      var written: Int32 = 0
      return EVP_CipherUpdate(context, nil, &written, buffer.baseAddress, count) == 1
    }
    guard done else { throw .library }
  }

  func transform(_ data: some Collection<UInt8>) throws(AESGCM.Failure) -> [UInt8] {
    guard !data.isEmpty else { return [] }
    guard let count = Int32(exactly: data.count) else { throw .tooLong }
    var done = false
    let output = withContiguousBytes(data) { input in
      [UInt8](unsafeUninitializedCapacity: input.count) { output, filled in
        var written: Int32 = 0
        done =
          EVP_CipherUpdate(context, output.baseAddress, &written, input.baseAddress, count) == 1
          && written == count
        filled = done ? input.count : 0
      }
    }
    guard done else { throw .library }
    return output
  }

  func expect(tag: [UInt8]) throws(AESGCM.Failure) {
    var tag = tag
    guard EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) == 1 else {
      throw .library
    }
  }

  func finish() -> Bool {
    // GCM writes nothing here; the room is what the interface asks for.
    var rest = [UInt8](repeating: 0, count: 16)
    var written: Int32 = 0
    return EVP_CipherFinal_ex(context, &rest, &written) == 1
  }

  func tag() throws(AESGCM.Failure) -> [UInt8] {
    var tag = [UInt8](repeating: 0, count: AESGCM.tagByteCount)
    guard EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), &tag) == 1 else {
      throw .library
    }
    return tag
  }
}
