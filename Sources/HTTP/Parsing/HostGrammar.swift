/// `uri-host [ ":" port ]` of RFC 9110 section 7.2, without user information and never empty.
enum HostGrammar {
  static func accepts(_ text: Span<UInt8>) -> Bool {
    guard !text.isEmpty else { return false }
    if text[0] == UInt8(ascii: "[") { return acceptsLiteral(text) }
    var index = 0
    while index < text.count, text[index] != UInt8(ascii: ":") {
      if text[index] == UInt8(ascii: "%") {
        guard index + 2 < text.count, ASCII.hexValue(text[index + 1]) != nil,
          ASCII.hexValue(text[index + 2]) != nil
        else { return false }
        index += 3
        continue
      }
      guard ASCII.isRegisteredName(text[index]) else { return false }
      index += 1
    }
    guard index > 0 else { return false }
    return acceptsPort(text.extracting(index..<text.count))
  }

  /// Empty, `:` or a colon and a number of at most 65535.
  private static func acceptsPort(_ text: Span<UInt8>) -> Bool {
    guard !text.isEmpty else { return true }
    guard text[0] == UInt8(ascii: ":"), text.count <= 6 else { return false }
    var port = 0
    for index in 1..<text.count {
      guard ASCII.isDigit(text[index]) else { return false }
      port = port * 10 + Int(text[index] &- UInt8(ascii: "0"))
    }
    return port <= 65_535
  }

  private static func acceptsLiteral(_ text: Span<UInt8>) -> Bool {
    var end = 1
    while end < text.count, text[end] != UInt8(ascii: "]") { end += 1 }
    guard end < text.count, end > 1 else { return false }
    let inside = text.extracting(1..<end)
    guard acceptsPort(text.extracting((end + 1)..<text.count)) else { return false }
    if ASCII.lowercase(inside[0]) == UInt8(ascii: "v") { return acceptsFuture(inside) }
    return IPAddress(parsing: inside.fieldText)?.isIPv6 == true
  }

  /// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`
  private static func acceptsFuture(_ text: Span<UInt8>) -> Bool {
    var index = 1
    while index < text.count, ASCII.hexValue(text[index]) != nil { index += 1 }
    guard index > 1, index + 1 < text.count, text[index] == UInt8(ascii: ".") else { return false }
    for rest in (index + 1)..<text.count {
      guard ASCII.isRegisteredName(text[rest]) || text[rest] == UInt8(ascii: ":") else {
        return false
      }
    }
    return true
  }
}
