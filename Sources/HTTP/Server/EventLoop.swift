import Dispatch

/// A serial queue with the connections pinned to it and what they share.
///
/// `@unchecked Sendable`: every mutable member is touched on `queue` only.
final class EventLoop: @unchecked Sendable {
  let queue: DispatchQueue
  let readBuffer: UnsafeMutableRawBufferPointer
  var identifiers = RequestIdentifier()
  var date = DateField()
  private(set) var isDraining = false
  private var connections: [Int: Connection] = [:]
  private var nextID = 0
  private var wheel: TimerWheel
  private let timer: any DispatchSourceTimer
  private var ticking = false
  private var poller: Poller?

  init(index: Int) throws(PollerError) {
    queue = DispatchQueue(label: "http.loop.\(index)")
    readBuffer = .allocate(byteCount: 64 * 1024, alignment: 16)
    wheel = TimerWheel(now: MonotonicClock.now / TimerWheel.tickNanoseconds)
    timer = DispatchSource.makeTimerSource(queue: queue)
    let interval = DispatchTimeInterval.nanoseconds(Int(TimerWheel.tickNanoseconds))
    timer.schedule(deadline: .now(), repeating: interval, leeway: .milliseconds(50))
    timer.setEventHandler { [weak self] in self?.tick() }
    poller = try Poller(queue: queue) { [weak self] token, what in
      guard let connection = self?.connections[token] else { return }
      if what.contains(.writing) { connection.writable() }
      if what.contains(.reading) { connection.readable() }
    }
  }

  deinit {
    timer.cancel()
    // A suspended source must not be released.
    if !ticking { timer.resume() }
    readBuffer.deallocate()
  }

  /// Takes a connection over a socket in; it leaves with `remove`.
  func add(
    _ descriptor: Int32, peer: IPAddress, service: Service, onClose: @escaping () -> Void
  ) {
    guard let poller else { return }
    nextID += 1
    add(
      Connection(
        id: nextID, loop: self, service: service,
        transport: SocketTransport(
          descriptor: descriptor, token: nextID, poller: poller, onClose: onClose),
        peer: peer))
  }

  /// Takes a connection in whose id nobody else has.
  func add(_ connection: Connection) {
    connections[connection.id] = connection
    if !ticking {
      ticking = true
      timer.resume()
    }
    connection.settle()
  }

  func remove(_ id: Int) {
    connections[id] = nil
    if connections.isEmpty, ticking {
      ticking = false
      timer.suspend()
    }
  }

  /// Asks for `Connection.checkDeadline` at the tick of the deadline; returns that tick.
  func schedule(_ id: Int, deadline: UInt64) -> UInt64 {
    wheel.schedule(id, at: TimerWheel.tick(of: deadline))
  }

  private func tick() {
    let now = MonotonicClock.now
    let tick = now / TimerWheel.tickNanoseconds
    check(wheel.advance(to: tick)[...], now, tick: tick)
  }

  /// Asks a bounded number at a time: when thousands expire together, others have their turn.
  private func check(_ due: ArraySlice<Int>, _ now: UInt64, tick: UInt64) {
    for id in due.prefix(128) { connections[id]?.checkDeadline(now, tick: tick) }
    let rest = due.dropFirst(128)
    if !rest.isEmpty { queue.async { self.check(rest, now, tick: tick) } }
  }

  /// Ends idle connections and lets the others finish their request.
  func drain() {
    isDraining = true
    for connection in connections.values { connection.drain() }
  }

  /// Cuts every connection off.
  func abort() {
    for connection in connections.values { connection.abort() }
  }
}
