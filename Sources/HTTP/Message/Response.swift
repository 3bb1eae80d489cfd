import JSON

/// What a handler answers. The server adds Date, X-Request-Id, Connection and the framing fields;
/// values a handler sets for those are ignored, but `Connection: close` is honoured.
public struct Response: Sendable {
  public enum Body: Sendable {
    case empty
    case bytes([UInt8])
    /// Sent chunked while it is produced (to HTTP/1.0 until the connection closes). The producer
    /// runs after the handler returned; when it throws, the connection is cut off so that the
    /// client can tell. It is not run for HEAD.
    case stream(@Sendable (ResponseWriter) async throws -> Void)
  }

  public var status: Int
  public var headers: HTTPHeaders
  public var body: Body

  public init(status: Int, headers: HTTPHeaders = HTTPHeaders(), body: Body = .empty) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  public static func json(_ status: Int, _ value: JSONValue) -> Response {
    json(status, bytes: value.bytes)
  }

  /// `bytes` must be JSON already.
  public static func json(_ status: Int, bytes: [UInt8]) -> Response {
    Response(status: status, headers: ["Content-Type": "application/json"], body: .bytes(bytes))
  }

  public static func text(
    _ status: Int, _ text: String, contentType: String = "text/plain; charset=utf-8"
  ) -> Response {
    Response(
      status: status, headers: ["Content-Type": contentType], body: .bytes(Array(text.utf8)))
  }

  /// An RFC 9457 answer; see `Problem`.
  public static func problem(
    _ status: Int, code: String, detail: String, pointer: String? = nil,
    errors: [Problem.Place] = [], requestID: String? = nil
  ) -> Response {
    Problem(
      status: status, code: code, detail: detail, pointer: pointer, errors: errors,
      requestID: requestID
    ).response
  }
}
