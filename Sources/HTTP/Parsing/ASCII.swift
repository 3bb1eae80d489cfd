/// Byte classes of RFC 9110 and RFC 3986.
enum ASCII {
  static let lineFeed: UInt8 = 0x0A
  static let carriageReturn: UInt8 = 0x0D
  static let space: UInt8 = 0x20
  static let tab: UInt8 = 0x09

  @inline(__always)
  static func lowercase(_ byte: UInt8) -> UInt8 {
    byte &- 0x41 < 26 ? byte | 0x20 : byte
  }

  @inline(__always)
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  @inline(__always)
  static func isLetter(_ byte: UInt8) -> Bool { lowercase(byte) &- 0x61 < 26 }

  @inline(__always)
  static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

  /// Control characters that no line may hold: all but the tab, and DEL.
  @inline(__always)
  static func isForbiddenControl(_ byte: UInt8) -> Bool {
    (byte < 0x20 && byte != tab) || byte == 0x7F
  }

  /// The value of a hexadecimal digit, or nil.
  @inline(__always)
  static func hexValue(_ byte: UInt8) -> UInt8? {
    if isDigit(byte) { return byte &- 0x30 }
    let letter = lowercase(byte)
    return letter &- 0x61 < 6 ? letter &- 0x61 &+ 10 : nil
  }

  /// `tchar` of RFC 9110 section 5.6.2.
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    if isLetter(byte) || isDigit(byte) { return true }
    switch byte {
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"),
      UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"),
      UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      return true
    default: return false
    }
  }

  /// `unreserved` or `sub-delims` of RFC 3986, what a registered name may hold unescaped.
  static func isRegisteredName(_ byte: UInt8) -> Bool {
    if isLetter(byte) || isDigit(byte) { return true }
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"),
      UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"),
      UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"),
      UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="):
      return true
    default: return false
    }
  }
}

extension Span<UInt8> {
  /// Whether this is `word` but for the case of letters; `word` is given in lower case.
  func equals(lowercase word: StaticString) -> Bool {
    guard count == word.utf8CodeUnitCount else { return false }
    for index in 0..<count where ASCII.lowercase(self[index]) != word.utf8Start[index] {
      return false
    }
    return true
  }

  /// Without the blanks and tabs at both ends.
  var trimmed: Range<Int> {
    var lower = 0
    var upper = count
    while lower < upper, ASCII.isBlank(self[lower]) { lower += 1 }
    while upper > lower, ASCII.isBlank(self[upper - 1]) { upper -= 1 }
    return lower..<upper
  }

  /// The text when it is valid UTF-8, else each byte as the Latin-1 character it names.
  var fieldText: String {
    if let utf8 = try? UTF8Span(validating: self) { return String(copying: utf8) }
    var text = ""
    for index in 0..<count { text.unicodeScalars.append(Unicode.Scalar(self[index])) }
    return text
  }
}
