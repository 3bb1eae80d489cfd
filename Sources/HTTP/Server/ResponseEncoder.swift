/// Writes response heads (RFC 9112 section 4) into a byte buffer.
enum ResponseEncoder {
  enum Framing: Equatable {
    case length(Int)
    case chunked
    /// The body ends with the connection.
    case untilClose
    /// No body can follow: 204 and 304.
    case none
  }

  /// What the server decides about an answer, beside what the handler said.
  struct Frame {
    var framing: Framing
    var closes: Bool
    var isHTTP10: Bool
    var requestID: String
    var allowsAnyOrigin: Bool
  }

  static let continueLine = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)
  static let lastChunk = Array("0\r\n\r\n".utf8)

  static func writeHead(
    _ response: Response, _ frame: Frame, date: [UInt8], to out: inout [UInt8]
  ) {
    writeStatusLine(response.status, to: &out)
    append("Date: ", to: &out)
    out.append(contentsOf: date)
    switch frame.framing {
    case .length(let length):
      append("\r\nContent-Length: ", to: &out)
      append(decimal: length, to: &out)
    case .chunked: append("\r\nTransfer-Encoding: chunked", to: &out)
    case .untilClose, .none: break
    }
    append("\r\nX-Request-Id: ", to: &out)
    out.append(contentsOf: frame.requestID.utf8)
    if frame.closes {
      append("\r\nConnection: close", to: &out)
    } else if frame.isHTTP10 {
      append("\r\nConnection: keep-alive", to: &out)
    }
    append("\r\n", to: &out)
    if frame.allowsAnyOrigin, !response.headers.contains("Access-Control-Allow-Origin") {
      append("Access-Control-Allow-Origin: *\r\n", to: &out)
      append("Access-Control-Expose-Headers: *\r\n", to: &out)
    }
    for field in response.headers where !isOwned(field.name) { write(field, to: &out) }
    append("\r\n", to: &out)
  }

  static func writeChunk(_ bytes: [UInt8], to out: inout [UInt8]) {
    append(String(bytes.count, radix: 16), to: &out)
    append("\r\n", to: &out)
    out.append(contentsOf: bytes)
    append("\r\n", to: &out)
  }

  private static func writeStatusLine(_ status: Int, to out: inout [UInt8]) {
    if status == 200 {
      return append("HTTP/1.1 200 OK\r\n", to: &out)
    }
    append("HTTP/1.1 ", to: &out)
    append(decimal: status, to: &out)
    append(" ", to: &out)
    out.append(contentsOf: ReasonPhrase.of(status).utf8)
    append("\r\n", to: &out)
  }

  /// A name that is no token drops the field; control characters in a value become blanks, so
  /// that no value can end its line.
  private static func write(_ field: (name: String, value: String), to out: inout [UInt8]) {
    guard !field.name.isEmpty, field.name.utf8.allSatisfy(ASCII.isToken) else { return }
    out.append(contentsOf: field.name.utf8)
    append(": ", to: &out)
    let start = out.count
    out.append(contentsOf: field.value.utf8)
    for index in start..<out.count where ASCII.isForbiddenControl(out[index]) {
      out[index] = ASCII.space
    }
    append("\r\n", to: &out)
  }

  /// Fields the server writes itself.
  private static func isOwned(_ name: String) -> Bool {
    switch name.utf8.count {
    case 4: HTTPHeaders.same(name, "Date")
    case 10: HTTPHeaders.same(name, "Connection")
    case 12: HTTPHeaders.same(name, "X-Request-Id")
    case 14: HTTPHeaders.same(name, "Content-Length")
    case 17: HTTPHeaders.same(name, "Transfer-Encoding")
    default: false
    }
  }

  private static func append(_ text: StaticString, to out: inout [UInt8]) {
    out.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  private static func append(_ text: String, to out: inout [UInt8]) {
    out.append(contentsOf: text.utf8)
  }

  private static func append(decimal value: Int, to out: inout [UInt8]) {
    out.append(contentsOf: String(value).utf8)
  }
}
