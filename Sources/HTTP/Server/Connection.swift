import Dispatch
import Synchronization

/// One client connection: bytes in, requests to handlers, answers out in order.
///
/// One request is worked on at a time; what is pipelined behind it waits in the parser, and when
/// that holds enough, in the kernel.
///
/// `@unchecked Sendable`: every member is touched on `loop.queue` only.
final class Connection: @unchecked Sendable {
  enum Phase {
    /// Between requests or in a head.
    case idle
    /// In a body that is collected or dropped.
    case receiving
    /// A handler is at work; its body may still be arriving.
    case handling
    /// A producer is writing.
    case responding
    /// The last answer is being sent.
    case closing
    /// All is sent; what the client still sends is dropped.
    case lingering
    case closed
  }

  /// Above this many unsent bytes no further request is begun and producers wait.
  static let highWater = 64 * 1024
  /// So much is read ahead while a handler is at work.
  private static let readAhead = 64 * 1024

  let id: Int
  let loop: EventLoop
  let service: Service
  let transport: any Transport
  let peer: IPAddress
  let peerText: String

  var parser: RequestParser
  var phase = Phase.idle
  var exchange: Exchange?
  var inputEnded = false
  var served = 0
  var producers: [CheckedContinuation<Void, any Error>] = []

  var output: [UInt8] = []
  private var sent = 0
  private var isPumping = false

  var idleSince: UInt64
  var headStartedAt: UInt64?
  var blockedSince: UInt64?
  var sentSinceBlocked = 0
  var lingerDeadline: UInt64 = 0
  var scheduledTick = UInt64.max

  init(
    id: Int, loop: EventLoop, service: Service, transport: any Transport, peer: IPAddress
  ) {
    self.id = id
    self.loop = loop
    self.service = service
    self.transport = transport
    self.peer = peer
    peerText = peer.description
    parser = RequestParser(limits: service.configuration.limits.request)
    idleSince = MonotonicClock.now
  }

  var backlog: Int { output.count - sent }

  // MARK: Events

  func readable() {
    guard phase != .closed, !inputEnded else { return }
    switch transport.read(into: loop.readBuffer) {
    case .blocked: return
    case .bytes where phase == .lingering: return
    case .bytes(let count):
      if phase == .idle, headStartedAt == nil { headStartedAt = MonotonicClock.now }
      parser.feed(UnsafeRawBufferPointer(rebasing: loop.readBuffer[..<count]))
      pump()
    case .end:
      inputEnded = true
      transport.setReading(false)
      if phase == .lingering { close() } else { pump() }
    case .failed: lose()
    }
  }

  func writable() {
    guard phase != .closed else { return }
    flush()
    pump()
  }

  /// Works on what has arrived as far as the phase allows, then sends what was answered.
  func pump() {
    guard !isPumping, phase != .closed else { return }
    isPumping = true
    let first = served
    while takesInput {
      if backlog >= Self.highWater {
        flush()
        if backlog >= Self.highWater { break }
      }
      if served - first >= service.configuration.limits.pipeliningDepth, parser.pendingBytes > 0 {
        loop.queue.async { self.pump() }
        break
      }
      guard step() else { break }
    }
    isPumping = false
    flush()
    settle()
  }

  /// Takes one event from the parser; false when it needs more bytes.
  private func step() -> Bool {
    do throws(HTTPFault) {
      switch try parser.next() {
      case .head(let head)?: begin(head)
      case .body(let range)?: receive(range)
      case .end?: endBody()
      case nil:
        if inputEnded { endInput() }
        return false
      }
    } catch {
      refuse(error)
    }
    return true
  }

  var takesInput: Bool {
    switch phase {
    case .idle, .receiving: true
    case .handling, .responding:
      exchange.map { $0.bodyOpen && !$0.isBroken && $0.channel?.wantsMore == true } ?? false
    case .closing, .lingering, .closed: false
    }
  }

  /// The client has ended its side: what is complete is answered, a torso is refused.
  private func endInput() {
    if phase == .idle, parser.isBetweenRequests {
      phase = .closing
    } else {
      refuse(.truncated)
    }
  }

  // MARK: Output

  /// Sends as much as the transport takes.
  func flush() {
    guard phase != .closed, phase != .lingering else { return }
    while sent < output.count {
      let outcome = output.withUnsafeBytes { bytes in
        transport.write(UnsafeRawBufferPointer(rebasing: bytes[sent...]))
      }
      switch outcome {
      case .bytes(let count):
        sent += count
        sentSinceBlocked += count
        service.counters.bytesOut.add(count, ordering: .relaxed)
      case .blocked:
        block()
        return
      case .failed:
        lose()
        return
      }
    }
    unblock()
  }

  private func block() {
    if blockedSince == nil {
      blockedSince = MonotonicClock.now
      sentSinceBlocked = 0
    }
    if sent >= Self.highWater {
      output.removeFirst(sent)
      sent = 0
    }
    transport.setWriting(true)
    if backlog < Self.highWater { resumeProducers() }
  }

  private func unblock() {
    output.removeAll(keepingCapacity: output.capacity <= 16 * 1024)
    sent = 0
    if blockedSince != nil {
      blockedSince = nil
      transport.setWriting(false)
    }
    resumeProducers()
    if phase == .closing { linger() }
  }

  private func resumeProducers() {
    guard !producers.isEmpty else { return }
    let waiting = producers
    producers = []
    for producer in waiting { producer.resume() }
  }

  /// Ends our side and waits for the client to end its own, lest a reset overtake the answer.
  private func linger() {
    guard !inputEnded else { return close() }
    transport.finishWriting()
    phase = .lingering
    parser = RequestParser(limits: parser.limits)
    lingerDeadline = MonotonicClock.now &+ service.deadlines.linger
  }

  /// Reads or not, and sets the deadline of what is waited for.
  func settle() {
    guard phase != .closed else { return }
    if phase == .idle, parser.isBetweenRequests { headStartedAt = nil }
    transport.setReading(
      !inputEnded && (phase == .lingering || parser.pendingBytes < Self.readAhead))
    arm()
  }

  // MARK: Ends

  /// Ends the connection in order.
  func close() { end(abruptly: false) }

  /// Ends the connection because the client has gone or must go.
  func lose() {
    if var exchange {
      exchange.channel?.fail(.disconnected)
      exchange.isBroken = true
      if exchange.status == 0 { exchange.status = HTTPFault.disconnected.status }
      self.exchange = exchange
      conclude(aborted: true)
    }
    end(abruptly: true)
  }

  /// Cuts the connection off and cancels what works for it.
  func abort() {
    guard phase != .closed else { return }
    exchange?.task?.cancel()
    lose()
  }

  /// Closes between requests, else after the current one. What the client has sent by now counts.
  func drain() {
    if phase == .idle, !inputEnded { readable() }
    if phase == .idle, parser.isBetweenRequests, backlog == 0 { close() }
  }

  private func end(abruptly: Bool) {
    guard phase != .closed else { return }
    phase = .closed
    let waiting = producers
    producers = []
    for producer in waiting { producer.resume(throwing: HTTPFault.disconnected) }
    transport.close(abruptly: abruptly)
    loop.remove(id)
  }
}
