import Dispatch
import Glibc
import Logging

/// A listening socket. When descriptors run out, accepting pauses for 100 ms.
///
/// `@unchecked Sendable`: the mutable members are touched on `queue` only, after `start`.
final class Listener: @unchecked Sendable {
  private let descriptor: Int32
  private let queue = DispatchQueue(label: "http.listener")
  private let source: any DispatchSourceRead
  private let logger: Logger
  private let accepted: @Sendable (Int32, IPAddress) -> Void
  private var paused = false
  private var closed = false
  private var whenClosed: (@Sendable () -> Void)?
  /// The port in use, also when 0 was asked for.
  let port: Int

  /// Accepts at once; `accepted` takes the descriptor over and runs on the listener's queue.
  init(
    host: String, port: Int, backlog: Int32, logger: Logger,
    accepted: @escaping @Sendable (Int32, IPAddress) -> Void
  ) throws {
    descriptor = try ListeningSocket.open(host: host, port: port, backlog: backlog)
    self.port = ListeningSocket.port(of: descriptor) ?? port
    self.logger = logger
    self.accepted = accepted
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [self] in acceptAll() }
    source.setCancelHandler { [self] in
      Glibc.close(descriptor)
      whenClosed?()
      whenClosed = nil
    }
    source.resume()
  }

  private func acceptAll() {
    // Bounded, so that a flood does not keep the queue from closing.
    for _ in 0..<256 where !closed {
      switch ListeningSocket.accept(descriptor) {
      case .connection(let connection, let address): accepted(connection, address)
      case .none: return
      case .retry: continue
      case .exhausted(let code):
        pause(code)
        return
      }
    }
  }

  private func pause(_ code: Int32) {
    guard !paused, !closed else { return }
    paused = true
    source.suspend()
    logger.warning("accepting paused", metadata: ["errno": "\(code)"])
    queue.asyncAfter(deadline: .now() + .milliseconds(100)) { [self] in
      guard paused else { return }
      paused = false
      source.resume()
    }
  }

  /// Takes what already waits in the backlog, then closes the socket and returns.
  func close() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      queue.async { [self] in
        guard !closed else { return continuation.resume() }
        acceptAll()
        closed = true
        whenClosed = { continuation.resume() }
        source.cancel()
        if paused {
          paused = false
          source.resume()
        }
      }
    }
  }
}
