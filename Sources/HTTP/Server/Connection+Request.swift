import Dispatch
import Synchronization

extension Connection {
  /// Takes a complete head: finds its route and decides about its body.
  func begin(_ head: RequestHead) {
    let now = MonotonicClock.now
    headStartedAt = nil
    service.counters.requests.add(1, ordering: .relaxed)
    let client =
      service.configuration.trustedProxies.isEmpty
      ? peerText : service.clientAddress(peer, head.headers).description
    var exchange = Exchange(
      head: head, requestID: requestID(head.headers), client: client, now: now)
    resolve(head, &exchange)
    self.exchange = exchange
    phase = .receiving
    if head.hasBody { admitBody(head) }
  }

  /// The client's request id when it is well-formed, else a new one.
  private func requestID(_ headers: HTTPHeaders?) -> String {
    if let given = headers?["X-Request-Id"], RequestIdentifier.isWellFormed(given) {
      return given
    }
    return loop.identifiers.next()
  }

  /// Sets the route, or the answer when there is nothing to route to.
  private func resolve(_ head: RequestHead, _ exchange: inout Exchange) {
    if head.path == "*" {
      exchange.settled = Preflight.options(HTTPMethod.allCases)
      return
    }
    switch service.router.match(head.method, head.path) {
    case .found(let route, let parameters):
      exchange.route = route
      exchange.parameters = parameters
      exchange.pattern = route.pattern
    case .options(let allow, let pattern):
      exchange.pattern = pattern
      exchange.settled = Preflight.options(allow)
    case .methodNotAllowed(let allow, let pattern):
      exchange.pattern = pattern
      exchange.settled = rendered(.methodNotAllowed(allow), exchange.requestID)
    case .notFound:
      exchange.settled = rendered(.notFound, exchange.requestID)
    }
    if let pattern = exchange.pattern, service.configuration.corsPaths.contains(pattern) {
      exchange.allowsAnyOrigin = true
      if let answer = Preflight.answer(head, service.router) { exchange.settled = answer }
    }
    if exchange.settled == nil { applyPolicy(head, &exchange) }
  }

  /// Sets the limits by the route's policy and refuses encodings and expectations.
  private func applyPolicy(_ head: RequestHead, _ exchange: inout Exchange) {
    if head.expectation == .unknown {
      exchange.settled = rendered(.badExpectation, exchange.requestID)
      return
    }
    guard head.hasBody, let route = exchange.route else { return }
    switch route.body {
    case .none: return
    case .buffered(let limit), .streamed(let limit):
      guard let isGzip = Self.isGzip(head.headers) else {
        exchange.settled = rendered(.badEncoding, exchange.requestID)
        return
      }
      exchange.isGzip = isGzip
      exchange.bodyLimit = min(limit, service.configuration.limits.bodyBytes)
      exchange.inflatedLimit = min(limit, service.configuration.limits.inflatedBytes)
    }
  }

  /// Nil for a content coding that is not understood.
  private static func isGzip(_ headers: HTTPHeaders) -> Bool? {
    let codings = headers.values(for: "Content-Encoding")
    guard let coding = codings.first else { return false }
    guard codings.count == 1 else { return nil }
    if HTTPHeaders.same(coding, "gzip") || HTTPHeaders.same(coding, "x-gzip") { return true }
    return HTTPHeaders.same(coding, "identity") ? false : nil
  }

  /// Decides about a body before it comes: too large, unwanted, asked for, or handed on.
  private func admitBody(_ head: RequestHead) {
    guard var exchange else { return }
    if case .length(let length) = head.framing, length > exchange.bodyLimit {
      return answerEarly(.bodyTooLarge)
    }
    let wanted = exchange.settled == nil && exchange.route?.body != Route.BodyPolicy.none
    let asks = head.expectation == .proceed
    // Whether an unwanted body follows is up to the client, so nothing can be read after it.
    if asks, !wanted { return answerEarly(nil) }
    guard wanted else { return }
    if case .streamed = exchange.route?.body {
      exchange.awaitsContinue = asks
      exchange.channel = BodyChannel { [self] in loop.queue.async { self.demand() } }
      self.exchange = exchange
      return dispatch()
    }
    if case .length(let length) = head.framing {
      guard service.reserve(length) else { return refuse(.overloaded) }
      exchange.reserved = length
      exchange.body.reserveCapacity(min(length, 4096))
    }
    self.exchange = exchange
    if asks { output.append(contentsOf: ResponseEncoder.continueLine) }
  }

  /// Answers while the body is still to come, with what is settled or else with the fault; the
  /// connection closes.
  private func answerEarly(_ fault: HTTPFault?) {
    if let settled = exchange?.settled { return respond(settled) }
    if let fault { return refuse(fault) }
    dispatch()
  }

  /// The consumer of a streamed body wants more.
  private func demand() {
    guard phase != .closed else { return }
    if exchange?.awaitsContinue == true, phase == .handling {
      exchange?.awaitsContinue = false
      output.append(contentsOf: ResponseEncoder.continueLine)
    }
    pump()
  }

  /// Takes a piece of the body.
  func receive(_ range: Range<Int>) {
    service.counters.bytesIn.add(range.count, ordering: .relaxed)
    exchange?.bytesIn += range.count
    exchange?.awaitsContinue = false
    guard let bytesIn = exchange?.bytesIn, let limit = exchange?.bodyLimit else { return }
    guard bytesIn <= limit else { return answerEarly(.bodyTooLarge) }
    if let channel = exchange?.channel {
      channel.push(Array(parser.buffer[range]))
    } else if exchange?.settled == nil, exchange?.route?.body != Route.BodyPolicy.none {
      collect(range, bytesIn)
    }
  }

  /// Appends to the buffered body; a chunked one is paid for as it grows.
  private func collect(_ range: Range<Int>, _ bytesIn: Int) {
    if let reserved = exchange?.reserved, bytesIn > reserved {
      guard service.reserve(bytesIn - reserved) else { return refuse(.overloaded) }
      exchange?.reserved = bytesIn
    }
    exchange?.body.append(contentsOf: parser.buffer[range])
  }

  func endBody() {
    exchange?.bodyOpen = false
    exchange?.channel?.end()
    if phase == .receiving { dispatch() }
  }

  /// Answers with a fault. While a handler is at work its body fails instead, and the answer is
  /// put right when the handler is done.
  func refuse(_ fault: HTTPFault) {
    switch phase {
    case .handling, .responding:
      exchange?.isBroken = true
      exchange?.channel?.fail(fault)
    case .closing, .lingering, .closed: return
    case .idle, .receiving:
      if exchange == nil {
        let id = requestID(parser.failedHeaders)
        exchange = Exchange(
          head: nil, requestID: id, client: peerText, now: MonotonicClock.now)
      }
      if fault.closes { exchange?.isBroken = true }
      respond(rendered(fault, exchange?.requestID ?? ""))
    }
  }

  /// The configured rendering of a fault, counted.
  func rendered(_ fault: HTTPFault, _ requestID: String) -> Response {
    service.counters.faults.add(1, ordering: .relaxed)
    return service.configuration.faultResponse(fault, requestID)
  }
}
