/// Base 64 (RFC 4648): the standard alphabet with padding (section 4), the URL alphabet without (5).
///
/// Decoding is strict, so that one byte string has one text: no white space, no foreign character,
/// no bits set beyond the last byte, padding exactly as the encoder writes it.
public enum Base64 {
  public static func encode(_ bytes: some Collection<UInt8>) -> String {
    encode(bytes, alphabet: standard, padded: true)
  }

  public static func encodeURL(_ bytes: some Collection<UInt8>) -> String {
    encode(bytes, alphabet: url, padded: false)
  }

  public static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let characters = Array(text.utf8)
    guard characters.count.isMultiple(of: 4) else { return nil }
    let padding = characters.reversed().prefix { $0 == pad }.count
    guard padding <= 2 else { return nil }
    return decode(characters.dropLast(padding), values: standardValues)
  }

  public static func decodeURL(_ text: some StringProtocol) -> [UInt8]? {
    decode(Array(text.utf8)[...], values: urlValues)
  }

  private static let pad = UInt8(ascii: "=")
  private static let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  private static let standard = Array((letters + "+/").utf8)
  private static let url = Array((letters + "-_").utf8)
  private static let standardValues = values(of: standard)
  private static let urlValues = values(of: url)

  /// The six bits of each character; 0xFF for one outside the alphabet.
  private static func values(of alphabet: [UInt8]) -> [UInt8] {
    var values = [UInt8](repeating: 0xFF, count: 256)
    for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
    return values
  }

  private static func encode(
    _ bytes: some Collection<UInt8>, alphabet: [UInt8], padded: Bool
  ) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var bits: UInt32 = 0
    var bitCount = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        text.append(alphabet[Int(bits >> UInt32(bitCount) & 63)])
      }
    }
    if bitCount > 0 { text.append(alphabet[Int(bits << UInt32(6 - bitCount) & 63)]) }
    while padded, !text.count.isMultiple(of: 4) { text.append(pad) }
    return String(decoding: text, as: UTF8.self)
  }

  private static func decode(_ characters: ArraySlice<UInt8>, values: [UInt8]) -> [UInt8]? {
    guard characters.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(characters.count / 4 * 3 + 2)
    var bits: UInt32 = 0
    var bitCount = 0
    for character in characters {
      let value = values[Int(character)]
      guard value < 64 else { return nil }
      bits = bits << 6 | UInt32(value)
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
      }
    }
    let leftOver = bits & (1 << UInt32(bitCount) - 1)
    return leftOver == 0 ? bytes : nil
  }
}
