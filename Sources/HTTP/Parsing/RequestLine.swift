/// `method SP request-target SP HTTP-version`, RFC 9112 section 3.
struct RequestLine {
  var method: HTTPMethod
  var path: String
  var query: [(name: String, value: String)]
  var isHTTP10: Bool
  /// The authority of an absolute-form target; it takes the place of Host.
  var authority: String?

  /// `line` is without CRLF and holds no control character but tabs.
  init(parsing line: Span<UInt8>) throws(HTTPFault) {
    var first = 0
    while first < line.count, line[first] != ASCII.space { first += 1 }
    var last = line.count
    while last > first + 1, line[last - 1] != ASCII.space { last -= 1 }
    guard first > 0, last > first + 1 else { throw .badRequestLine }
    let methodBytes = line.extracting(0..<first)
    let target = line.extracting((first + 1)..<(last - 1))
    guard !target.isEmpty else { throw .badRequestLine }
    for index in 0..<methodBytes.count where !ASCII.isToken(methodBytes[index]) {
      throw .badRequestLine
    }
    for index in 0..<target.count where target[index] == ASCII.space { throw .badRequestLine }
    isHTTP10 = try Self.minorVersion(line.extracting(last..<line.count)) == 0
    guard methodBytes.count <= 7, let method = HTTPMethod(rawValue: methodBytes.fieldText) else {
      throw .unknownMethod
    }
    self.method = method
    for index in 0..<target.count {
      let byte = target[index]
      guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "#") else { throw .badTarget }
    }
    path = ""
    query = []
    try parse(target: target)
  }

  private static func minorVersion(_ text: Span<UInt8>) throws(HTTPFault) -> UInt8 {
    let prefix: StaticString = "HTTP/"
    guard text.count >= 6 else { throw .badRequestLine }
    for index in 0..<5 where text[index] != prefix.utf8Start[index] { throw .badRequestLine }
    guard text.count == 8, text[6] == UInt8(ascii: "."), ASCII.isDigit(text[5]),
      ASCII.isDigit(text[7])
    else { throw .badRequestLine }
    guard text[5] == UInt8(ascii: "1"), text[7] <= UInt8(ascii: "1") else { throw .badVersion }
    return text[7] &- UInt8(ascii: "0")
  }

  /// Origin form, absolute form and, for OPTIONS, the asterisk form.
  private mutating func parse(target: Span<UInt8>) throws(HTTPFault) {
    if target[0] == UInt8(ascii: "/") {
      return try parse(pathAndQuery: target)
    }
    if target.count == 1, target[0] == UInt8(ascii: "*") {
      guard method == .options else { throw .badTarget }
      path = "*"
      return
    }
    let schemeLength: Int
    if target.count > 7, target.extracting(0..<7).equals(lowercase: "http://") {
      schemeLength = 7
    } else if target.count > 8, target.extracting(0..<8).equals(lowercase: "https://") {
      schemeLength = 8
    } else {
      throw .badTarget
    }
    var end = schemeLength
    while end < target.count, target[end] != UInt8(ascii: "/"), target[end] != UInt8(ascii: "?") {
      end += 1
    }
    let authority = target.extracting(schemeLength..<end)
    guard HostGrammar.accepts(authority) else { throw .badTarget }
    self.authority = authority.fieldText
    guard end < target.count else {
      path = "/"
      return
    }
    try parse(pathAndQuery: target.extracting(end..<target.count))
    if path.isEmpty { path = "/" }
  }

  private mutating func parse(pathAndQuery: Span<UInt8>) throws(HTTPFault) {
    var end = 0
    var escaped = false
    while end < pathAndQuery.count, pathAndQuery[end] != UInt8(ascii: "?") {
      if pathAndQuery[end] == UInt8(ascii: "%") { escaped = true }
      end += 1
    }
    let pathBytes = pathAndQuery.extracting(0..<end)
    if escaped, PercentCoding.decode(pathBytes) == nil { throw .badTarget }
    path = pathBytes.fieldText
    guard end + 1 < pathAndQuery.count else { return }
    query = try Self.pairs(pathAndQuery.extracting((end + 1)..<pathAndQuery.count))
  }

  private static func pairs(
    _ text: Span<UInt8>
  ) throws(HTTPFault) -> [(name: String, value: String)] {
    var pairs: [(name: String, value: String)] = []
    var start = 0
    while start < text.count {
      var end = start
      var equals: Int?
      while end < text.count, text[end] != UInt8(ascii: "&") {
        if equals == nil, text[end] == UInt8(ascii: "=") { equals = end }
        end += 1
      }
      if end > start {
        let name = text.extracting(start..<(equals ?? end))
        let value = text.extracting((equals.map { $0 + 1 } ?? end)..<end)
        guard let decodedName = PercentCoding.decode(name, plusIsSpace: true),
          let decodedValue = PercentCoding.decode(value, plusIsSpace: true)
        else { throw .badTarget }
        pairs.append((decodedName, decodedValue))
      }
      start = end + 1
    }
    return pairs
  }
}
