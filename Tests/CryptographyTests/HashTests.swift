import Cryptography
import Testing

@Suite struct HashTests {
  @Test(
    "SHA-256 gives the published digests",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ])
  func digest(text: String, expected: String) {
    #expect(Hex.encode(SHA256.hash(text.utf8)) == expected)
  }

  @Test("Hashing in pieces of any length equals hashing at once")
  func pieces() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    for size in [1, 3, 55, 56, 63, 64, 65, 299] {
      var hash = SHA256()
      for start in stride(from: 0, to: bytes.count, by: size) {
        hash.update(bytes[start..<min(start + size, bytes.count)])
      }
      #expect(hash.finalize() == SHA256.hash(bytes))
    }
  }

  @Test("A copy of a half-made hash goes its own way, and finalize leaves the state alone")
  func valueSemantics() {
    var first = SHA256()
    first.update("ab".utf8)
    var second = first
    second.update("X".utf8)
    _ = first.finalize()
    first.update("c".utf8)
    #expect(first.finalize() == SHA256.hash("abc".utf8))
    #expect(second.finalize() == SHA256.hash("abX".utf8))
  }

  @Test("A collection without contiguous storage hashes the same")
  func lazyCollection() {
    #expect(SHA256.hash("abc".utf8.lazy.map { $0 }) == SHA256.hash(Array("abc".utf8)))
  }

  // RFC 4231, cases 1, 2, 3, 6.
  @Test(
    "HMAC-SHA256 gives the codes of RFC 4231",
    arguments: [
      (
        [UInt8](repeating: 0x0B, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xAA, count: 20), [UInt8](repeating: 0xDD, count: 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
      ),
      (
        [UInt8](repeating: 0xAA, count: 131),
        Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
    ])
  func authenticationCode(key: [UInt8], message: [UInt8], expected: String) {
    #expect(Hex.encode(HMACSHA256.authenticate(message, key: key)) == expected)
  }

  @Test("Constant-time comparison is equality")
  func comparison() {
    #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
    #expect(constantTimeEquals([], []))
    #expect(!constantTimeEquals([1, 2, 3], [1, 2, 4]))
    #expect(!constantTimeEquals([9, 2, 3], [1, 2, 3]))
    #expect(!constantTimeEquals([1, 2], [1, 2, 3]))
    #expect(constantTimeEquals("key".utf8, Array("key".utf8)))
  }

  @Test("Random bytes have the length asked for and do not repeat")
  func random() {
    #expect(randomBytes(0).isEmpty)
    #expect(randomBytes(-1).isEmpty)
    #expect(randomBytes(33).count == 33)
    #expect(Set((0..<1000).map { _ in randomBytes(16) }).count == 1000)
  }
}
