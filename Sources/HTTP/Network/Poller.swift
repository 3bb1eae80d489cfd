import CLinuxSockets
import Dispatch
import Glibc

/// The readiness of many sockets behind one Dispatch source: an epoll instance, itself watched.
///
/// One source per connection costs four system calls and a thread switch for each event; here
/// they are shared by all that is ready at once. Level-triggered, so nothing is re-armed.
/// Not thread-safe: used on the queue it was made for.
final class Poller {
  struct Interest: OptionSet {
    let rawValue: UInt32
    static let reading = Interest(rawValue: sockets_readable)
    static let writing = Interest(rawValue: sockets_writable)
  }

  private static let capacity = 256
  /// Batches handled before other work of the queue has its turn.
  private static let rounds = 8

  private let descriptor: Int32
  private let events: UnsafeMutablePointer<epoll_event>
  private let source: any DispatchSourceRead

  /// `ready` gets the token and what can be done; it may change and remove any socket.
  init(
    queue: DispatchQueue, ready: @escaping (_ token: Int, _ what: Interest) -> Void
  ) throws(PollerError) {
    let descriptor = sockets_epoll_create()
    guard descriptor >= 0 else { throw PollerError(code: errno) }
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Self.capacity)
    self.descriptor = descriptor
    self.events = events
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { Self.poll(descriptor, events, ready) }
    // The handler may be running while the poller goes; what it uses goes after it.
    source.setCancelHandler {
      Glibc.close(descriptor)
      events.deallocate()
    }
    source.resume()
  }

  deinit { source.cancel() }

  private static func poll(
    _ descriptor: Int32, _ events: UnsafeMutablePointer<epoll_event>,
    _ ready: (Int, Interest) -> Void
  ) {
    for _ in 0..<rounds {
      let count = sockets_epoll_poll(descriptor, events, Int32(capacity))
      guard count > 0 else { return }
      for index in 0..<Int(count) {
        var what = Interest(rawValue: events[index].events)
        // A broken socket is tried, and the attempt says what is wrong.
        if events[index].events & sockets_broken != 0 { what.formUnion([.reading, .writing]) }
        ready(Int(bitPattern: UInt(sockets_token(events + index))), what)
      }
    }
  }

  /// Changes from one interest to another; an empty one takes the socket out, so that a broken
  /// one nobody asks about is not reported for ever.
  func change(_ socket: Int32, token: Int, from old: Interest, to new: Interest) {
    guard old != new else { return }
    let operation = old.isEmpty ? EPOLL_CTL_ADD : new.isEmpty ? EPOLL_CTL_DEL : EPOLL_CTL_MOD
    _ = sockets_epoll_set(
      descriptor, operation, socket, new.rawValue, UInt64(UInt(bitPattern: token)))
  }
}

/// The system has no room for another poller.
public struct PollerError: Error, CustomStringConvertible {
  public let code: Int32
  public var description: String { "cannot watch sockets: \(String(cString: strerror(code)))" }
}
