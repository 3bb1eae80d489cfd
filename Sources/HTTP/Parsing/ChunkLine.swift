/// `chunk-size [ chunk-ext ]`, RFC 9112 section 7.1, without the blanks that only bad senders put.
struct ChunkLine {
  let size: Int
  /// Bytes of the extensions with their semicolons.
  let extensionBytes: Int

  /// `line` is without CRLF. At most 15 hexadecimal digits, which cannot overflow.
  init(parsing line: Span<UInt8>) throws(HTTPFault) {
    var index = 0
    var size = 0
    while index < line.count, let digit = ASCII.hexValue(line[index]) {
      guard index < 15 else { throw .badChunk }
      size = size << 4 | Int(digit)
      index += 1
    }
    guard index > 0 else { throw .badChunk }
    self.size = size
    extensionBytes = line.count - index
    while index < line.count {
      guard line[index] == UInt8(ascii: ";") else { throw .badChunk }
      index = try Self.endOfExtension(line, after: index + 1)
    }
  }

  /// `token [ "=" ( token / quoted-string ) ]`
  private static func endOfExtension(
    _ line: Span<UInt8>, after start: Int
  ) throws(HTTPFault) -> Int {
    var index = try endOfToken(line, after: start)
    guard index < line.count, line[index] == UInt8(ascii: "=") else { return index }
    index += 1
    guard index < line.count, line[index] == UInt8(ascii: "\"") else {
      return try endOfToken(line, after: index)
    }
    index += 1
    while index < line.count {
      if line[index] == UInt8(ascii: "\"") { return index + 1 }
      index += line[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    throw .badChunk
  }

  private static func endOfToken(_ line: Span<UInt8>, after start: Int) throws(HTTPFault) -> Int {
    var index = start
    while index < line.count, ASCII.isToken(line[index]) { index += 1 }
    guard index > start else { throw .badChunk }
    return index
  }
}
