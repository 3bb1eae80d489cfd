import FoundationEssentials

/// One request on a connection, from its head to the end of its answer.
struct Exchange {
  /// Nil when the head itself is at fault.
  var head: RequestHead?
  var requestID: String
  /// The client's address; the peer's, or what a trusted proxy says.
  let client: String
  var route: Route?
  var parameters: [String: String] = [:]
  var pattern: String?
  var allowsAnyOrigin = false
  /// The answer when it is settled before the body; the body is then read and dropped.
  var settled: Response?

  /// Wire bytes the body may have.
  var bodyLimit = Exchange.droppedBodyLimit
  /// Bytes the body may have after inflation.
  var inflatedLimit = 0
  var isGzip = false
  var bodyOpen = false
  var body: [UInt8] = []
  var channel: BodyChannel?
  var awaitsContinue = false
  /// Whether the rest of the request is lost, so that the connection has to close.
  var isBroken = false
  /// Bytes held of the server's budget for buffered bodies.
  var reserved = 0

  var startedAt: UInt64
  /// Where the body's deadline counts from; moves on by the time the consumer made it wait.
  var bodyStartedAt: UInt64
  var pausedAt: UInt64?
  let receivedAt = Date()
  var bytesIn = 0
  var bytesOut = 0
  var status = 0
  var closes = false
  var isChunked = false
  var task: Task<Void, Never>?

  /// What is read and dropped of a body nobody wants before the connection is given up.
  static let droppedBodyLimit = 64 * 1024
  /// Larger bodies are handled off the connection's queue.
  static let inlineBodyLimit = 64 * 1024

  init(head: RequestHead?, requestID: String, client: String, now: UInt64) {
    self.head = head
    self.requestID = requestID
    self.client = client
    startedAt = now
    bodyStartedAt = now
    bodyOpen = head != nil
  }

  /// Whether the body goes to a handler while it arrives.
  var isStreamed: Bool { channel != nil }
}
