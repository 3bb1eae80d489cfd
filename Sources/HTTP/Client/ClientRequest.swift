/// One request to send out.
public struct ClientRequest: Sendable {
  public var method: String
  /// Absolute, `http` or `https`, in ASCII.
  public var url: String
  /// In the order sent. Those that frame the message (`Content-Length`, `Transfer-Encoding`, `Connection`,
  /// `Expect` and the like) belong to the client and are refused; `Host` may only repeat the URL's.
  public var headers: [(String, String)]
  public var body: [UInt8]
  /// Sent in place of `body` when there is one: an upload too large for memory.
  public var source: ClientBodySource?
  /// From the call to the last byte of the answer: waiting for a connection and name resolution count.
  public var timeout: Duration
  public var connectTimeout: Duration
  /// What lies beyond is not read; the response then says ``ClientResponse/isTruncated``.
  public var maxResponseBytes: Int
  /// Requests of one label share a bulkhead: together they take no more than
  /// ``ClientConfiguration/maxConnectionsPerGroup`` connections.
  public var group: String
  public var version: ClientVersion
  /// Gets the body of a 2xx as it comes, in place of ``ClientResponse/body``. Called on the client's one
  /// thread, which waits for it: for clients that do nothing else.
  public var sink: (@Sendable (UnsafeRawBufferPointer) -> Void)?

  public init(
    method: String = "GET", url: String, headers: [(String, String)] = [], body: [UInt8] = [],
    timeout: Duration = .seconds(30), connectTimeout: Duration = .seconds(10),
    maxResponseBytes: Int = 64 << 10, group: String = "", version: ClientVersion = .http1
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeout = timeout
    self.connectTimeout = connectTimeout
    self.maxResponseBytes = maxResponseBytes
    self.group = group
    self.version = version
  }
}

/// A body that is read while it is sent, once.
public struct ClientBodySource: Sendable {
  /// Nil: not known, the body goes out in chunks.
  public let length: Int?
  /// Fills the front of the buffer and says how far; 0 is the end, nil gives the request up. Called on
  /// the client's one thread, which waits for it: for clients that do nothing else.
  public let read: @Sendable (UnsafeMutableRawBufferPointer) -> Int?

  public init(
    length: Int?, read: @escaping @Sendable (UnsafeMutableRawBufferPointer) -> Int?
  ) {
    self.length = length
    self.read = read
  }
}

/// The protocol version to ask for.
public enum ClientVersion: Sendable {
  case http1
  /// HTTP/2 when the server agrees in the TLS handshake, else HTTP/1.1.
  case http2
}

public struct ClientConfiguration: Sendable {
  /// Transfers at a time, and idle connections kept; further requests wait their turn.
  public var maxConnections: Int
  public var maxConnectionsPerHost: Int
  public var maxConnectionsPerGroup: Int
  /// Lifts the wall against loopback, private, link-local and metadata addresses.
  public var allowPrivateAddresses: Bool
  public var userAgent: String
  /// Header bytes of one answer, interim answers included, beyond which the transfer is given up.
  public var maxHeaderBytes: Int
  /// A connection idle for longer is not used again.
  public var idleTimeout: Duration
  /// Stands in for the system's resolver in tests.
  var lookup: ClientResolver.Lookup = ClientResolver.systemLookup

  public init(
    maxConnections: Int = 256, maxConnectionsPerHost: Int = 64, maxConnectionsPerGroup: Int = 128,
    allowPrivateAddresses: Bool = false, userAgent: String = "Herald",
    maxHeaderBytes: Int = 64 << 10, idleTimeout: Duration = .seconds(30)
  ) {
    self.maxConnections = maxConnections
    self.maxConnectionsPerHost = maxConnectionsPerHost
    self.maxConnectionsPerGroup = maxConnectionsPerGroup
    self.allowPrivateAddresses = allowPrivateAddresses
    self.userAgent = userAgent
    self.maxHeaderBytes = maxHeaderBytes
    self.idleTimeout = idleTimeout
  }
}
