import Dispatch
import Glibc
import Logging
import Synchronization

/// An HTTP/1.1 server on Dispatch: `start` once, `shutdown` once.
public final class Server: Sendable {
  private let service: Service
  private let census: ConnectionCensus
  private let open = DispatchGroup()
  private let running = Mutex<Running?>(nil)
  private let next = Atomic(0)

  /// What there is between `start` and `shutdown`.
  private struct Running {
    let listener: Listener
    let loops: [EventLoop]
  }

  public init(router: Router, configuration: ServerConfiguration, logger: Logger) {
    service = Service(router: router, configuration: configuration, logger: logger)
    census = ConnectionCensus(configuration)
  }

  /// Throws `RouterError` for a route table with conflicts.
  public convenience init(
    routes: [Route], configuration: ServerConfiguration, logger: Logger
  ) throws {
    self.init(router: try Router(routes), configuration: configuration, logger: logger)
  }

  /// Listens and serves, and keeps itself alive, until `shutdown`; returns the port. Throws `ListenError`,
  /// and `PollerError` when the system is out of descriptors.
  public func start() throws -> Int {
    let configuration = service.configuration
    let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let loops = try (0..<max(1, configuration.queues ?? cores)).map(EventLoop.init)
    let listener = try Listener(
      host: configuration.host, port: configuration.port, backlog: configuration.backlog,
      logger: service.logger
    ) { [self] descriptor, address in accept(descriptor, address, loops) }
    running.withLock { $0 = Running(listener: listener, loops: loops) }
    return listener.port
  }

  /// Runs on the listener's queue; connections go round the loops.
  private func accept(_ descriptor: Int32, _ address: IPAddress, _ loops: [EventLoop]) {
    guard census.enter(address) else {
      service.counters.refused.add(1, ordering: .relaxed)
      return turnAway(descriptor)
    }
    service.counters.accepted.add(1, ordering: .relaxed)
    open.enter()
    let turn = next.add(1, ordering: .relaxed).oldValue
    let loop = loops[turn % loops.count]
    loop.queue.async { [self] in
      loop.add(descriptor, peer: address, service: service) { [self] in
        census.leave(address)
        open.leave()
      }
    }
  }

  /// Says 503 as far as the socket takes it at once.
  private func turnAway(_ descriptor: Int32) {
    var identifiers = RequestIdentifier()
    let id = identifiers.next()
    let response = service.configuration.faultResponse(.overloaded, id)
    var bytes: [UInt8] = []
    var body: [UInt8] = []
    if case .bytes(let content) = response.body { body = content }
    var date = DateField()
    let frame = ResponseEncoder.Frame(
      framing: .length(body.count), closes: true, isHTTP10: false, requestID: id,
      allowsAnyOrigin: false)
    ResponseEncoder.writeHead(response, frame, date: date.current(), to: &bytes)
    bytes += body
    _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    Glibc.shutdown(descriptor, Int32(SHUT_WR))
    Glibc.close(descriptor)
  }

  /// Refuses new connections, ends idle ones, lets requests finish for `grace`, then cuts the
  /// rest off and cancels their handlers. Returns when every connection is closed.
  public func shutdown(grace: Duration) async {
    guard let running = running.withLock({ $0.take() }) else { return }
    await running.listener.close()
    let loops = running.loops
    for loop in loops { loop.queue.async { loop.drain() } }
    let force = DispatchWorkItem {
      for loop in loops { loop.queue.async { loop.abort() } }
    }
    let control = DispatchQueue(label: "http.shutdown")
    let wait = DispatchTimeInterval.nanoseconds(Int(clamping: grace.nanoseconds))
    control.asyncAfter(deadline: .now() + wait, execute: force)
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      open.notify(queue: control) { continuation.resume() }
    }
    force.cancel()
  }

  public var statistics: ServerStatistics {
    let counters = service.counters
    return ServerStatistics(
      connectionsOpen: census.total,
      connectionsAccepted: counters.accepted.load(ordering: .relaxed),
      connectionsRefused: counters.refused.load(ordering: .relaxed),
      requests: counters.requests.load(ordering: .relaxed),
      faults: counters.faults.load(ordering: .relaxed),
      bytesIn: counters.bytesIn.load(ordering: .relaxed),
      bytesOut: counters.bytesOut.load(ordering: .relaxed))
  }
}
