/// A head while its lines arrive; the rules that concern several fields run in `finish`.
struct HeadDraft: Sendable {
  private var line: RequestLine
  private(set) var headers = HTTPHeaders()
  private var hosts = 0
  private var length: Int?
  private var transferEncodings = 0
  private var close = false
  private var keepAlive = false
  private var expectation = RequestHead.Expectation.none

  init(_ line: RequestLine) { self.line = line }

  /// Takes one field line without its CRLF.
  mutating func add(_ text: Span<UInt8>) throws(HTTPFault) {
    let colon = try FieldLine.nameLength(text)
    let name = text.extracting(0..<colon)
    let rest = text.extracting((colon + 1)..<text.count)
    let value = rest.extracting(rest.trimmed)
    try inspect(name, value)
    headers.append(name.fieldText, value.fieldText)
  }

  /// Notes what concerns framing and the connection.
  private mutating func inspect(
    _ name: Span<UInt8>, _ value: Span<UInt8>
  ) throws(HTTPFault) {
    switch name.count {
    case 4 where name.equals(lowercase: "host"):
      hosts += 1
      guard hosts == 1, HostGrammar.accepts(value) else { throw .badHost }
    case 6 where name.equals(lowercase: "expect"):
      expectation = value.equals(lowercase: "100-continue") ? .proceed : .unknown
    case 10 where name.equals(lowercase: "connection"):
      noteConnection(value)
    case 14 where name.equals(lowercase: "content-length"):
      guard length == nil, let parsed = FieldLine.decimal(value) else { throw .badLength }
      length = parsed
    case 17 where name.equals(lowercase: "transfer-encoding"):
      transferEncodings += 1
      guard transferEncodings == 1, value.equals(lowercase: "chunked") else {
        throw .badTransferEncoding
      }
    default: break
    }
  }

  private mutating func noteConnection(_ value: Span<UInt8>) {
    var start = 0
    while start < value.count {
      var end = start
      while end < value.count, value[end] != UInt8(ascii: ",") { end += 1 }
      let part = value.extracting(start..<end)
      let option = part.extracting(part.trimmed)
      if option.equals(lowercase: "close") { close = true }
      if option.equals(lowercase: "keep-alive") { keepAlive = true }
      start = end + 1
    }
  }

  func finish() throws(HTTPFault) -> RequestHead {
    var headers = headers
    if transferEncodings > 0, length != nil || line.isHTTP10 { throw .badTransferEncoding }
    if hosts == 0, !line.isHTTP10 { throw .badHost }
    if let authority = line.authority { headers.set("Host", authority) }
    let framing: RequestHead.Framing =
      transferEncodings > 0 ? .chunked : length.map(RequestHead.Framing.length) ?? .none
    return RequestHead(
      method: line.method, path: line.path, query: line.query, headers: headers,
      framing: framing, isHTTP10: line.isHTTP10,
      keepAlive: !close && (!line.isHTTP10 || keepAlive),
      expectation: line.isHTTP10 ? .none : expectation)
  }
}
