/// Percent-decoding of path segments and query parts (RFC 3986 section 2.1).
enum PercentCoding {
  /// Nil for a broken escape, for bytes that are no UTF-8 and for NUL, which no store takes.
  static func decode(_ bytes: Span<UInt8>, plusIsSpace: Bool = false) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "%"):
        guard index + 2 < bytes.count, let high = ASCII.hexValue(bytes[index + 1]),
          let low = ASCII.hexValue(bytes[index + 2]), high | low != 0
        else { return nil }
        decoded.append(high << 4 | low)
        index += 3
      case UInt8(ascii: "+") where plusIsSpace:
        decoded.append(ASCII.space)
        index += 1
      default:
        decoded.append(byte)
        index += 1
      }
    }
    guard let text = try? UTF8Span(validating: decoded.span) else { return nil }
    return String(copying: text)
  }

  /// Whether every `%` starts an escape; what it decodes to is not looked at.
  static func isWellFormed(_ bytes: Span<UInt8>) -> Bool {
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%") {
        guard index + 2 < bytes.count, ASCII.hexValue(bytes[index + 1]) != nil,
          ASCII.hexValue(bytes[index + 2]) != nil
        else { return false }
        index += 2
      }
      index += 1
    }
    return true
  }
}
