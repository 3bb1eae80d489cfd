/// How a `Server` listens, what it lets through and how long it waits.
public struct ServerConfiguration: Sendable {
  /// A name or an IPv4 or IPv6 address; `::` takes both families.
  public var host = "127.0.0.1"
  /// 0 lets the system choose; `Server.start` returns the choice.
  public var port = 8080
  /// Serial queues that share the connections; nil is one for each core.
  public var queues: Int?
  /// Connections that wait to be accepted.
  public var backlog: Int32 = 1024

  public var limits = Limits()
  public var timeouts = Timeouts()

  /// Peers whose `X-Forwarded-For` is believed.
  public var trustedProxies: [AddressRange] = []
  /// Peers that `connectionsPerAddress` does not count, beside the trusted proxies.
  public var uncountedPeers = AddressRange.loopback
  /// Patterns where any origin may call: preflights are answered and
  /// `Access-Control-Allow-Origin: *` is sent.
  public var corsPaths: Set<String> = []
  /// Renders what the server refuses itself; gets the fault and the request id. The default is a
  /// problem of RFC 9457.
  public var faultResponse: @Sendable (HTTPFault, String) -> Response = {
    Problem($0, requestID: $1).response
  }
  /// Called on the connection's queue after each answer; must not block.
  public var accessLog: (@Sendable (AccessEntry) -> Void)?

  public init() {}

  public struct Limits: Sendable {
    public var request = RequestLimits()
    /// No route's body may be larger on the wire, whatever its own limit.
    public var bodyBytes = 4 << 30
    /// No route's body may be larger inflated, whatever its own limit.
    public var inflatedBytes = 16 << 30
    /// Bytes of all buffered bodies at a time; beyond it requests get a 503.
    public var bufferedBytes = 256 << 20
    public var connections = 16_384
    public var connectionsPerAddress = 2_048
    /// Pipelined requests answered before other connections of the queue have their turn.
    public var pipeliningDepth = 32

    public init() {}
  }

  public struct Timeouts: Sendable {
    /// From the first byte of a header (or from accepting) to its last; acted upon up to half a
    /// second later, as are the others.
    public var header: Duration = .milliseconds(14_500)
    /// A body must arrive within this plus its bytes at `minimumRate`.
    public var body: Duration = .seconds(30)
    /// As long may pass between two requests on a connection.
    public var idle: Duration = .seconds(75)
    /// A blocked answer must be taken within this plus its bytes at `minimumRate`.
    public var write: Duration = .seconds(30)
    /// Bytes a second.
    public var minimumRate = 1024
    /// How long a refused client may go on sending, so that it can read why.
    public var linger: Duration = .seconds(3)

    public init() {}
  }
}

/// One answered request, for the access log. Holds the pattern and never the path, which may
/// hold personal data.
public struct AccessEntry: Sendable {
  public var requestID: String
  /// Nil when the request line could not be read.
  public var method: HTTPMethod?
  /// Nil when no route matched.
  public var pattern: String?
  /// 499 when the client went before there was an answer.
  public var status: Int
  /// From the complete header to the last byte handed to the system.
  public var duration: Duration
  /// Body bytes on the wire.
  public var bytesIn: Int
  /// Bytes of the answer with its header.
  public var bytesOut: Int
  public var remoteAddress: String
  /// Whether the answer could not be completed.
  public var aborted: Bool
}
