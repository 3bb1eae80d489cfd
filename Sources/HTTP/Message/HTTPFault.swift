/// Why the server itself refuses a request, before or instead of a handler.
///
/// Thrown by the parser and by `BodyStream`; `ServerConfiguration.faultResponse` renders it.
public struct HTTPFault: Error, Sendable, Equatable {
  public var status: Int
  /// A stable word for programs, such as `header_too_large`.
  public var code: String
  /// A sentence for people; never repeats what the client sent.
  public var detail: String
  /// Whether the connection cannot be used afterwards: the framing is lost.
  public var closes: Bool
  /// The methods a 405 lists.
  public var allow: [HTTPMethod] = []

  public init(
    status: Int, code: String, detail: String, closes: Bool = false, allow: [HTTPMethod] = []
  ) {
    self.status = status
    self.code = code
    self.detail = detail
    self.closes = closes
    self.allow = allow
  }

  /// A 400 after which the connection is closed.
  static func malformed(_ code: String, _ detail: String) -> HTTPFault {
    HTTPFault(status: 400, code: code, detail: detail, closes: true)
  }
}

extension HTTPFault {
  static let badRequestLine = malformed(
    "bad_request_line", "The request line must be a method, a target and a version.")
  static let badTarget = malformed(
    "bad_request_target",
    "The request target holds characters or escapes that no URL path or query may hold.")
  static let badVersion = HTTPFault(
    status: 505, code: "http_version_not_supported", detail: "Use HTTP/1.1 or HTTP/1.0.",
    closes: true)
  static let unknownMethod = HTTPFault(
    status: 501, code: "method_not_implemented",
    detail: "This server knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.", closes: true)
  static let requestLineTooLong = HTTPFault(
    status: 414, code: "uri_too_long", detail: "The request line is too long.", closes: true)
  static let headerTooLarge = HTTPFault(
    status: 431, code: "header_too_large",
    detail: "The header fields are too many or too large.", closes: true)
  static let badLine = malformed(
    "bad_line", "Lines must end in CRLF and hold no control characters.")
  static let badField = malformed(
    "bad_header_field",
    "A header field must be a name, a colon and a value, on one line, with no blank in the name.")
  static let badHost = malformed("bad_host", "Send exactly one Host field that names a host.")
  static let badLength = malformed(
    "bad_content_length", "Send Content-Length once, as decimal digits.")
  static let badTransferEncoding = malformed(
    "bad_transfer_encoding",
    "The only transfer coding understood is a single chunked, on HTTP/1.1, without Content-Length.")
  static let badChunk = malformed("bad_chunk", "The chunked body is malformed.")
  static let truncated = malformed(
    "incomplete_request", "The connection ended in the middle of the request.")
  static let badExpectation = HTTPFault(
    status: 417, code: "expectation_failed", detail: "The only expectation met is 100-continue.")
  static let notFound = HTTPFault(
    status: 404, code: "not_found",
    detail: "There is nothing at this path; GET /openapi.json describes what there is.")
  static func methodNotAllowed(_ allow: [HTTPMethod]) -> HTTPFault {
    HTTPFault(
      status: 405, code: "method_not_allowed",
      detail: "This path takes \(allow.map(\.rawValue).joined(separator: ", ")).", allow: allow)
  }
  static let bodyTooLarge = HTTPFault(
    status: 413, code: "body_too_large", detail: "The request body is too large.")
  static let badEncoding = HTTPFault(
    status: 415, code: "content_encoding_not_supported",
    detail: "Send the body plain or with Content-Encoding: gzip.")
  static let badCompression = HTTPFault(
    status: 400, code: "bad_gzip", detail: "The body is not the gzip stream it claims to be.")
  static let headerTimeout = HTTPFault(
    status: 408, code: "header_timeout", detail: "The request header took too long to arrive.",
    closes: true)
  static let bodyTimeout = HTTPFault(
    status: 408, code: "body_timeout", detail: "The request body arrived too slowly.",
    closes: true)
  static let overloaded = HTTPFault(
    status: 503, code: "overloaded", detail: "The server is busy; try again shortly.",
    closes: true)
  static let badResponse = HTTPFault(
    status: 500, code: "internal_error", detail: "The server could not form an answer.")
  /// The client has gone; never rendered, only thrown by streams.
  static let disconnected = HTTPFault(
    status: 499, code: "client_disconnected", detail: "The client closed the connection.",
    closes: true)
}
