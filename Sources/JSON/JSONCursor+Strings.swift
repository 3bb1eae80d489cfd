extension JSONCursor {
  /// Passes a string whose opening quote is the next byte, checking escapes and UTF-8.
  mutating func scanString() throws(JSONFault) -> TextSpan {
    let start = offset + 1
    var index = start
    var isEscaped = false
    while true {
      index = endOfPlainText(from: index)
      guard index < bytes.count else { break }
      let byte = bytes[index]
      if byte == UInt8(ascii: "\"") {
        offset = index + 1
        return TextSpan(range: start..<index, isEscaped: isEscaped)
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
        index = try afterEscape(at: index)
      } else if byte < 0x20 {
        throw fault(
          .invalidJSON, "A control character in a string must be written as \\u00XX", at: index)
      } else {
        let length = multibyteLength(at: index)
        guard length > 0 else { throw fault(.invalidText, "This is not UTF-8", at: index) }
        index += length
      }
    }
    throw fault(.invalidJSON, "The text ends inside a string", at: index)
  }

  /// The first index from `index` on whose byte is no printable ASCII, a quote or a backslash; the
  /// number of bytes when there is none. Looks at eight bytes at a time.
  private func endOfPlainText(from index: Int) -> Int {
    bytes.withUnsafeBytes { buffer in
      var index = index
      let ones: UInt64 = 0x0101_0101_0101_0101
      let highs: UInt64 = 0x8080_8080_8080_8080
      while index + 8 <= buffer.count {
        let word = UInt64(
          littleEndian: buffer.loadUnaligned(fromByteOffset: index, as: UInt64.self))
        // A byte's high bit is set where it is below the subtrahend; a borrow only spoils bytes
        // above one that is found.
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let found =
          ((word &- ones &* 0x20) & ~word | (quote &- ones) & ~quote
            | (backslash &- ones) & ~backslash | word) & highs
        if found != 0 { return index + found.trailingZeroBitCount >> 3 }
        index += 8
      }
      while index < buffer.count {
        let byte = buffer[index]
        if byte < 0x20 || byte >= 0x80 || byte == 0x22 || byte == 0x5C { return index }
        index += 1
      }
      return index
    }
  }

  /// The string a checked span spells.
  func text(of span: TextSpan) -> String {
    String(decoding: unescaped(span), as: UTF8.self)
  }

  /// The bytes of a checked span with its escapes resolved.
  func unescaped(_ span: TextSpan) -> ArraySlice<UInt8> {
    guard span.isEscaped else { return bytes[span.range] }
    var out: [UInt8] = []
    out.reserveCapacity(span.range.count)
    var index = span.range.lowerBound
    while index < span.range.upperBound {
      guard bytes[index] == UInt8(ascii: "\\") else {
        out.append(bytes[index])
        index += 1
        continue
      }
      let letter = bytes[index + 1]
      index += 2
      if letter == UInt8(ascii: "u") {
        var code = hexUnit(at: index) ?? 0xFFFD
        index += 4
        if 0xD800...0xDBFF ~= code, let low = hexUnit(at: index + 2) {
          code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
          index += 6
        }
        out.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{FFFD}").utf8)
      } else {
        out.append(Self.plainEscape(letter) ?? letter)
      }
    }
    return out[...]
  }

  /// The index after the escape that begins at `index`, with both halves of a surrogate pair.
  private func afterEscape(at index: Int) throws(JSONFault) -> Int {
    guard index + 1 < bytes.count else {
      throw fault(.invalidJSON, "The text ends inside an escape", at: index)
    }
    let letter = bytes[index + 1]
    if Self.plainEscape(letter) != nil { return index + 2 }
    guard letter == UInt8(ascii: "u"), let unit = hexUnit(at: index + 2) else {
      throw fault(.invalidJSON, "This is no escape of JSON", at: index)
    }
    switch unit {
    case 0:
      throw fault(.invalidText, "The character U+0000 cannot be stored", at: index)
    case 0xD800...0xDBFF:
      let next = index + 6
      guard next + 1 < bytes.count, bytes[next] == UInt8(ascii: "\\"),
        bytes[next + 1] == UInt8(ascii: "u"), let low = hexUnit(at: next + 2),
        0xDC00...0xDFFF ~= low
      else { throw fault(.invalidText, "A surrogate stands alone", at: index) }
      return next + 6
    case 0xDC00...0xDFFF:
      throw fault(.invalidText, "A surrogate stands alone", at: index)
    default: return index + 6
    }
  }

  private func hexUnit(at index: Int) -> UInt32? {
    guard index >= 0, index + 4 <= bytes.count else { return nil }
    var unit: UInt32 = 0
    for byte in bytes[index..<index + 4] {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): unit = unit << 4 + UInt32(byte - 0x30)
      case UInt8(ascii: "a")...UInt8(ascii: "f"): unit = unit << 4 + UInt32(byte - 0x57)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): unit = unit << 4 + UInt32(byte - 0x37)
      default: return nil
      }
    }
    return unit
  }

  private static func plainEscape(_ letter: UInt8) -> UInt8? {
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): letter
    case UInt8(ascii: "b"): 0x08
    case UInt8(ascii: "f"): 0x0C
    case UInt8(ascii: "n"): 0x0A
    case UInt8(ascii: "r"): 0x0D
    case UInt8(ascii: "t"): 0x09
    default: nil
    }
  }

  /// The length of the well-formed UTF-8 sequence at `index` (RFC 3629 section 4), or 0.
  private func multibyteLength(at index: Int) -> Int {
    func isIn(_ range: ClosedRange<UInt8>, _ distance: Int) -> Bool {
      index + distance < bytes.count && range.contains(bytes[index + distance])
    }
    let tail: ClosedRange<UInt8> = 0x80...0xBF
    switch bytes[index] {
    case 0xC2...0xDF: return isIn(tail, 1) ? 2 : 0
    case 0xE0: return isIn(0xA0...0xBF, 1) && isIn(tail, 2) ? 3 : 0
    case 0xED: return isIn(0x80...0x9F, 1) && isIn(tail, 2) ? 3 : 0
    case 0xE1...0xEF: return isIn(tail, 1) && isIn(tail, 2) ? 3 : 0
    case 0xF0: return isIn(0x90...0xBF, 1) && isIn(tail, 2) && isIn(tail, 3) ? 4 : 0
    case 0xF1...0xF3: return isIn(tail, 1) && isIn(tail, 2) && isIn(tail, 3) ? 4 : 0
    case 0xF4: return isIn(0x80...0x8F, 1) && isIn(tail, 2) && isIn(tail, 3) ? 4 : 0
    default: return 0
    }
  }
}
