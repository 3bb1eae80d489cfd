import Cryptography
import Testing

@Suite struct EncodingTests {
  @Test("Every byte string survives hex and both kinds of base64")
  func roundTrip() {
    for count in 0..<70 {
      let bytes = randomBytes(count)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
    }
  }

  @Test(
    "Base64 gives the texts of RFC 4648 section 10",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
      ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ])
  func vector(text: String, encoded: String) {
    #expect(Base64.encode(text.utf8) == encoded)
    #expect(Base64.decode(encoded) == Array(text.utf8))
  }

  @Test("The URL alphabet has - and _ and no padding")
  func urlAlphabet() {
    #expect(Base64.encode([0xFB, 0xFF]) == "+/8=")
    #expect(Base64.encodeURL([0xFB, 0xFF]) == "-_8")
    #expect(Base64.decodeURL("+/8") == nil)
    #expect(Base64.decodeURL("-_8=") == nil)
    #expect(Base64.decode("-_8=") == nil)
  }

  @Test(
    "Base64 decoding refuses every second spelling",
    arguments: [
      "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z", "====", "=", "Zg==Zg==", "Zm9v\n", " Zm9v",
      "Zm9vé=",
      "Zm=v", "Zm9v====",
    ])
  func strictBase64(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test(
    "Hex decoding refuses odd lengths and foreign characters", arguments: ["a", "0g", "é", "0x"])
  func strictHex(text: String) {
    #expect(Hex.decode(text) == nil)
  }

  @Test("Hex decodes both cases and encodes lower case")
  func hexCase() {
    #expect(Hex.decode("00ffAB") == [0, 0xFF, 0xAB])
    #expect(Hex.encode([0, 0xFF, 0xAB]) == "00ffab")
  }
}
