import Cryptography
import Testing

@Suite struct AESGCMTests {
  let key = [UInt8](0..<32)

  @Test("What was sealed opens again", arguments: [0, 1, 15, 16, 17, 1000])
  func roundTrip(count: Int) throws {
    let plaintext = randomBytes(count)
    let sealed = try AESGCM.seal(plaintext, key: key, additionalData: "sender:7".utf8)
    #expect(sealed.count == count + 28)
    #expect(try AESGCM.open(sealed, key: key, additionalData: "sender:7".utf8) == plaintext)
  }

  @Test("A message that another implementation sealed opens (NIST GCM test case 14)")
  func vector() throws {
    let zeros = [UInt8](repeating: 0, count: 32)
    let sealed = try #require(
      Hex.decode(
        "000000000000000000000000" + "cea7403d4d606b6e074ec5d3baf39d18"
          + "d0d1c8a799996bf0265b98b5d48ab919"))
    #expect(try AESGCM.open(sealed, key: zeros) == [UInt8](repeating: 0, count: 16))
  }

  @Test("No altered bit, other key, other additional data or cut opens")
  func tampering() throws {
    let sealed = try AESGCM.seal("secret".utf8, key: key, additionalData: "a".utf8)
    for index in sealed.indices {
      for bit in 0..<8 {
        var altered = sealed
        altered[index] ^= 1 << UInt8(bit)
        #expect(throws: AESGCM.Failure.notAuthentic) {
          try AESGCM.open(altered, key: key, additionalData: "a".utf8)
        }
      }
    }
    for count in 0..<sealed.count {
      #expect(throws: AESGCM.Failure.notAuthentic) {
        try AESGCM.open(sealed.prefix(count), key: key, additionalData: "a".utf8)
      }
    }
    #expect(throws: AESGCM.Failure.notAuthentic) {
      try AESGCM.open(sealed, key: key, additionalData: "b".utf8)
    }
    #expect(throws: AESGCM.Failure.notAuthentic) {
      try AESGCM.open(sealed, key: Array(key.reversed()), additionalData: "a".utf8)
    }
  }

  @Test("A key that is not 32 bytes long is refused", arguments: [0, 16, 31, 33])
  func keyLength(count: Int) {
    let key = [UInt8](repeating: 1, count: count)
    #expect(throws: AESGCM.Failure.keyLength) { try AESGCM.seal([1], key: key) }
    #expect(throws: AESGCM.Failure.keyLength) {
      try AESGCM.open([UInt8](repeating: 0, count: 40), key: key)
    }
  }

  @Test("The same text never seals to the same bytes")
  func nonces() throws {
    let sealed = try (0..<100).map { _ in try AESGCM.seal("x".utf8, key: key) }
    #expect(Set(sealed).count == 100)
  }
}
