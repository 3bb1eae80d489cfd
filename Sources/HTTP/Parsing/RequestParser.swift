/// RFC 9112 requests out of bytes, as a value without sockets: `feed` bytes, then take events
/// with `next` until it returns nil.
///
/// Pipelined requests come one after the other. The same bytes give the same events however they
/// are cut, but that body bytes come in other pieces. After a fault every `next` throws it again.
struct RequestParser: Sendable {
  enum Event: Sendable {
    case head(RequestHead)
    /// A piece of the body in `buffer`, valid until the next `feed`.
    case body(Range<Int>)
    case end
  }

  private enum State: Sendable {
    case requestLine
    case fields(HeadDraft)
    case body(remaining: Int)
    case chunkSize
    case chunk(remaining: Int)
    case chunkEnd
    case trailers
    case failed(HTTPFault)
  }

  let limits: RequestLimits
  private(set) var buffer: [UInt8] = []
  /// The fields before the one at fault, when the header was at fault.
  private(set) var failedHeaders: HTTPHeaders?
  private var cursor = 0
  private var scanned = 0
  private var state = State.requestLine
  private var emptyLines = 0
  private var fieldBytes = 0
  private var trailerCount = 0
  private var extensionBytes = 0

  init(limits: RequestLimits = RequestLimits()) { self.limits = limits }

  /// Whether nothing of a next request has arrived; empty lines before it are nothing.
  var isBetweenRequests: Bool {
    guard case .requestLine = state else { return false }
    return cursor == buffer.count
  }

  /// Bytes that wait for `next`.
  var pendingBytes: Int { buffer.count - cursor }

  /// The fault of a connection that ends here, or nil when it ends between requests.
  func finish() -> HTTPFault? {
    if case .failed(let fault) = state { return fault }
    return isBetweenRequests ? nil : .truncated
  }

  /// Appends bytes; gives back the memory of a large burst once it is consumed.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) {
    if cursor == buffer.count {
      buffer.removeAll(keepingCapacity: buffer.capacity <= 4096)
      scanned = 0
      cursor = 0
    } else if cursor > 4096, cursor > buffer.count / 2 {
      buffer.removeFirst(cursor)
      scanned = max(0, scanned - cursor)
      cursor = 0
    }
    buffer.append(contentsOf: bytes)
  }

  mutating func feed(_ bytes: some Collection<UInt8>) {
    let copy = Array(bytes)
    copy.withUnsafeBytes { feed($0) }
  }

  mutating func next() throws(HTTPFault) -> Event? {
    do throws(HTTPFault) {
      while true {
        switch try step() {
        case .event(let event): return event
        case .again: continue
        case .starved: return nil
        }
      }
    } catch {
      state = .failed(error)
      throw error
    }
  }

  private enum Step {
    case event(Event)
    case again
    case starved
  }

  private mutating func step() throws(HTTPFault) -> Step {
    switch state {
    case .requestLine: return try requestLine()
    case .fields(let draft): return try field(draft)
    case .body(let remaining):
      guard remaining > 0 else { return end() }
      return piece(of: remaining) { .body(remaining: $0) }
    case .chunkSize: return try chunkSize()
    case .chunk(let remaining):
      guard remaining > 0 else {
        state = .chunkEnd
        return .again
      }
      return piece(of: remaining) { .chunk(remaining: $0) }
    case .chunkEnd:
      guard let line = try line(limit: 0, tooLong: .badChunk, malformed: .badChunk) else {
        return .starved
      }
      guard line.isEmpty else { throw .badChunk }
      state = .chunkSize
      return .again
    case .trailers: return try trailer()
    case .failed(let fault): throw fault
    }
  }

  private mutating func requestLine() throws(HTTPFault) -> Step {
    guard
      let range = try line(
        limit: limits.requestLineBytes, tooLong: .requestLineTooLong, malformed: .badLine)
    else { return .starved }
    if range.isEmpty {
      emptyLines += 1
      guard emptyLines <= limits.leadingEmptyLines else { throw .badRequestLine }
      return .again
    }
    let line = try RequestLine(parsing: buffer.span.extracting(range))
    fieldBytes = 0
    state = .fields(HeadDraft(line))
    return .again
  }

  private mutating func field(_ current: HeadDraft) throws(HTTPFault) -> Step {
    var draft = current
    do throws(HTTPFault) {
      while let range = try fieldLine() {
        guard !range.isEmpty else {
          let head = try draft.finish()
          begin(head.framing)
          return .event(.head(head))
        }
        guard draft.headers.count < limits.headerCount else { throw .headerTooLarge }
        try draft.add(buffer.span.extracting(range))
      }
    } catch {
      failedHeaders = draft.headers
      throw error
    }
    state = .fields(draft)
    return .starved
  }

  private mutating func begin(_ framing: RequestHead.Framing) {
    emptyLines = 0
    fieldBytes = 0
    trailerCount = 0
    extensionBytes = 0
    switch framing {
    case .none: state = .body(remaining: 0)
    case .length(let length): state = .body(remaining: length)
    case .chunked: state = .chunkSize
    }
  }

  private mutating func chunkSize() throws(HTTPFault) -> Step {
    guard
      let range = try line(
        limit: limits.chunkLineBytes, tooLong: .badChunk, malformed: .badChunk)
    else { return .starved }
    let chunk = try ChunkLine(parsing: buffer.span.extracting(range))
    extensionBytes += chunk.extensionBytes
    guard extensionBytes <= limits.chunkExtensionBytes else { throw .badChunk }
    state = chunk.size == 0 ? .trailers : .chunk(remaining: chunk.size)
    return .again
  }

  /// Trailer fields are checked as header fields are, and dropped.
  private mutating func trailer() throws(HTTPFault) -> Step {
    guard let range = try fieldLine() else { return .starved }
    guard !range.isEmpty else { return end() }
    trailerCount += 1
    guard trailerCount <= limits.headerCount else { throw .headerTooLarge }
    _ = try FieldLine.nameLength(buffer.span.extracting(range))
    return .again
  }

  private mutating func end() -> Step {
    state = .requestLine
    return .event(.end)
  }

  private mutating func piece(of remaining: Int, then rest: (Int) -> State) -> Step {
    let count = min(remaining, buffer.count - cursor)
    guard count > 0 else { return .starved }
    let range = cursor..<(cursor + count)
    cursor += count
    scanned = cursor
    state = rest(remaining - count)
    return .event(.body(range))
  }

  private mutating func fieldLine() throws(HTTPFault) -> Range<Int>? {
    let range = try line(
      limit: limits.headerBytes - fieldBytes, tooLong: .headerTooLarge, malformed: .badLine)
    guard let range else { return nil }
    fieldBytes = min(limits.headerBytes, fieldBytes + range.count + 2)
    return range
  }

  /// The next whole line without its CRLF, consumed.
  private mutating func line(
    limit: Int, tooLong: HTTPFault, malformed: HTTPFault
  ) throws(HTTPFault) -> Range<Int>? {
    let outcome = LineScanner.scan(
      buffer.span, from: cursor, resume: max(cursor, scanned), limit: limit)
    switch outcome {
    case .line(let end):
      let range = cursor..<end
      cursor = end + 2
      scanned = cursor
      return range
    case .incomplete(let resume):
      scanned = resume
      return nil
    case .malformed: throw malformed
    case .tooLong: throw tooLong
    }
  }
}
