import Dispatch
import Logging

extension Connection {
  /// Runs the handler of the current request, or gives the answer that is settled.
  func dispatch() {
    guard let exchange, let head = exchange.head else { return }
    if let settled = exchange.settled { return respond(settled) }
    guard let route = exchange.route else { return }
    let request = request(head, exchange)
    self.exchange?.body = []
    switch route.handler {
    case .immediate(let handler):
      let runsInline =
        !exchange.isGzip && !exchange.isStreamed
        && request.body.count <= Exchange.inlineBodyLimit
      if runsInline { respond(handler(request)) } else { launch(request, exchange, handler) }
    case .async(let handler): launch(request, exchange, handler)
    }
  }

  private func request(_ head: RequestHead, _ exchange: Exchange) -> Request {
    Request(
      method: head.method, path: head.path, query: head.query, headers: head.headers,
      body: exchange.body, bodyStream: bodyStream(exchange),
      remoteAddress: exchange.client,
      isLoopback: peer.isLoopback && !Service.isForwarded(head.headers),
      requestID: exchange.requestID, parameters: exchange.parameters,
      receivedAt: exchange.receivedAt, pattern: exchange.pattern ?? "")
  }

  private func bodyStream(_ exchange: Exchange) -> BodyStream? {
    if let channel = exchange.channel {
      return BodyStream(channel, gzip: exchange.isGzip, limit: exchange.inflatedLimit)
    }
    if case .streamed = exchange.route?.body { return BodyStream(pieces: []) }
    return nil
  }

  /// Runs a handler off the queue, in a task that ends with this request.
  private func launch(
    _ request: Request, _ exchange: Exchange,
    _ handler: @escaping @Sendable (Request) async -> Response
  ) {
    phase = .handling
    let inflates = exchange.isGzip && !exchange.isStreamed
    let limit = exchange.inflatedLimit
    self.exchange?.task = Task { [self] in
      guard inflates else {
        let response = await handler(request)
        return loop.queue.async { self.handled(response, 0) }
      }
      do throws(HTTPFault) {
        var request = request
        request.body = try inflated(request.body, limit)
        let held = request.body.count
        let response = await handler(request)
        loop.queue.async { self.handled(response, held) }
      } catch {
        loop.queue.async { self.handled(self.rendered(error, request.requestID), 0) }
      }
    }
  }

  /// Called off the queue; counts the result against the budget of buffered bodies.
  private nonisolated func inflated(_ body: [UInt8], _ limit: Int) throws(HTTPFault) -> [UInt8] {
    if body.isEmpty { return [] }
    let inflated = try Inflater.inflate(body, limit: limit)
    guard service.reserve(inflated.count) else { throw .overloaded }
    return inflated
  }

  /// A handler is done. `held` bytes of the budget are given back with the request.
  private func handled(_ response: Response, _ held: Int) {
    service.release(held)
    guard phase == .handling, let exchange else { return }
    if let fault = exchange.channel?.fault, response.status < 400 {
      if fault.closes { self.exchange?.isBroken = true }
      respond(rendered(fault, exchange.requestID))
    } else {
      respond(response)
    }
    pump()
  }

  /// Sends an answer; the connection goes on or closes as the request and its body allow.
  func respond(_ given: Response) {
    guard var exchange else { return }
    let response =
      (200...599).contains(given.status)
      ? given : rendered(.badResponse, exchange.requestID)
    let isHead = exchange.head?.method == .head
    let isHTTP10 = exchange.head?.isHTTP10 ?? false
    let framing = Self.framing(response, isHTTP10: isHTTP10)
    exchange.status = response.status
    exchange.isChunked = framing == .chunked
    exchange.closes =
      exchange.head?.keepAlive != true || exchange.bodyOpen || exchange.isBroken
      || loop.isDraining || (framing == .untilClose && !isHead) || Self.asksToClose(response)
    let frame = ResponseEncoder.Frame(
      framing: framing, closes: exchange.closes, isHTTP10: isHTTP10,
      requestID: exchange.requestID, allowsAnyOrigin: exchange.allowsAnyOrigin)
    let before = output.count
    ResponseEncoder.writeHead(response, frame, date: loop.date.current(), to: &output)
    if case .bytes(let bytes) = response.body, !isHead, framing != .none {
      output.append(contentsOf: bytes)
    }
    exchange.bytesOut += output.count - before
    self.exchange = exchange
    if case .stream(let producer) = response.body, !isHead, framing != .none {
      produce(producer)
    } else {
      conclude(aborted: false)
    }
  }

  private static func framing(
    _ response: Response, isHTTP10: Bool
  ) -> ResponseEncoder.Framing {
    if response.status == 204 || response.status == 304 { return .none }
    switch response.body {
    case .empty: return .length(0)
    case .bytes(let bytes): return .length(bytes.count)
    case .stream: return isHTTP10 ? .untilClose : .chunked
    }
  }

  private static func asksToClose(_ response: Response) -> Bool {
    response.headers["Connection"].map { HTTPHeaders.same($0, "close") } ?? false
  }

  /// Runs the producer of a streamed answer in a task that ends with this request.
  private func produce(
    _ producer: @escaping @Sendable (ResponseWriter) async throws -> Void
  ) {
    phase = .responding
    let writer = ResponseWriter { [self] bytes in
      try await withCheckedThrowingContinuation { continuation in
        loop.queue.async { self.write(bytes, continuation) }
      }
    }
    exchange?.task = Task { [self] in
      do {
        try await producer(writer)
        loop.queue.async { self.produced(nil) }
      } catch {
        loop.queue.async { self.produced(error) }
      }
    }
  }

  private func write(
    _ bytes: [UInt8], _ continuation: CheckedContinuation<Void, any Error>
  ) {
    guard phase == .responding else {
      return continuation.resume(throwing: HTTPFault.disconnected)
    }
    guard !bytes.isEmpty else { return continuation.resume() }
    let before = output.count
    if exchange?.isChunked == true {
      ResponseEncoder.writeChunk(bytes, to: &output)
    } else {
      output.append(contentsOf: bytes)
    }
    exchange?.bytesOut += output.count - before
    producers.append(continuation)
    flush()
    settle()
  }

  private func produced(_ error: (any Error)?) {
    guard phase == .responding else { return }
    if let error {
      service.logger.warning(
        "streamed response cut off",
        metadata: ["request_id": "\(exchange?.requestID ?? "")", "error": "\(type(of: error))"])
      return lose()
    }
    if exchange?.isChunked == true {
      output.append(contentsOf: ResponseEncoder.lastChunk)
      exchange?.bytesOut += ResponseEncoder.lastChunk.count
    }
    conclude(aborted: false)
    pump()
  }

  /// Accounts for the current request and lets go of it.
  func conclude(aborted: Bool) {
    guard let exchange else { return }
    let now = MonotonicClock.now
    self.exchange = nil
    service.release(exchange.reserved)
    served += 1
    idleSince = now
    if phase != .closed { phase = exchange.closes || aborted ? .closing : .idle }
    headStartedAt = phase == .idle && !parser.isBetweenRequests ? now : nil
    guard let log = service.configuration.accessLog else { return }
    log(
      AccessEntry(
        requestID: exchange.requestID, method: exchange.head?.method,
        pattern: exchange.pattern, status: exchange.status,
        duration: .nanoseconds(Int64(clamping: now - exchange.startedAt)),
        bytesIn: exchange.bytesIn, bytesOut: exchange.bytesOut,
        remoteAddress: exchange.client, aborted: aborted))
  }
}
