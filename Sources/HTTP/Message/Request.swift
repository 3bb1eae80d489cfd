import FoundationEssentials

/// One request as a handler sees it: framing, limits and encodings are already dealt with.
public struct Request: Sendable {
  public var method: HTTPMethod
  /// The path as it stood in the request target, still percent-encoded, without the query.
  public var path: String
  /// Name and value pairs of the query, decoded, in order; `+` is a space.
  public var query: [(name: String, value: String)]
  public var headers: HTTPHeaders
  /// The whole body, inflated; empty on streamed routes.
  public var body: [UInt8]
  /// The body of a streamed route, inflated as it is read; may be iterated once.
  public var bodyStream: BodyStream?
  /// The client's address; behind a trusted proxy the one that proxy names.
  public var remoteAddress: String
  /// Whether the TCP peer is this machine and no field says that it forwards for another.
  public var isLoopback: Bool
  /// The client's `X-Request-Id` when it is well-formed, else a new UUID.
  public var requestID: String
  /// Path parameters by the names in the pattern, percent-decoded.
  public var parameters: [String: String]
  public var receivedAt: Date
  /// The pattern of the matched route: what may be logged and measured, unlike the path.
  public var pattern: String

  public init(
    method: HTTPMethod = .get, path: String = "/", query: [(name: String, value: String)] = [],
    headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [], bodyStream: BodyStream? = nil,
    remoteAddress: String = "127.0.0.1", isLoopback: Bool = false, requestID: String = "",
    parameters: [String: String] = [:], receivedAt: Date = Date(timeIntervalSince1970: 0),
    pattern: String = ""
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
    self.bodyStream = bodyStream
    self.remoteAddress = remoteAddress
    self.isLoopback = isLoopback
    self.requestID = requestID
    self.parameters = parameters
    self.receivedAt = receivedAt
    self.pattern = pattern
  }

  /// The first value of the name in the query.
  public func query(_ name: String) -> String? {
    query.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
  }

  /// Every value of the name in the query.
  public func queryValues(_ name: String) -> [String] {
    query.filter { $0.name.utf8.elementsEqual(name.utf8) }.map(\.value)
  }
}
