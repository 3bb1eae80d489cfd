import CLibPQ
import Glibc
import Logging
import Synchronization

/// Listens to NOTIFY on a connection and thread of its own, and reconnects for as long as it lives.
///
/// Notifications sent while it was disconnected are lost: `onConnect` is called after each (re)connect,
/// when all channels are listened to, so that the owner can look for what it missed. Callbacks run on
/// the listener's thread and must not block for long.
public final class NotificationListener: Sendable {
  private let wakeup: Wakeup

  public init(
    _ configuration: PoolConfiguration, channels: [String], logger: Logger,
    onConnect: @escaping @Sendable () -> Void = {},
    onNotification: @escaping @Sendable (_ channel: String, _ payload: String) -> Void
  ) {
    let wakeup = Wakeup()
    self.wakeup = wakeup
    let loop = ListenLoop(
      configuration: configuration, channels: channels, logger: logger, wakeup: wakeup,
      onConnect: onConnect, onNotification: onNotification)
    if !OwnThread.start(name: "postgres-listen", { loop.run() }) {
      wakeup.stop()
      logger.error("no thread to listen for notifications")
    }
  }

  deinit { wakeup.stop() }

  /// Ends the connection and the thread soon; does not wait for them. A callback that is running
  /// finishes.
  public func stop() { wakeup.stop() }
}

/// Stops a thread that waits in poll(2).
final class Wakeup: Sendable {
  /// Readable once `stop` was called; -1 when the system has no descriptor to give.
  let descriptor = herald_wakeup_descriptor()
  private let stopped = Atomic(false)

  deinit { if descriptor >= 0 { close(descriptor) } }

  var isStopped: Bool { stopped.load(ordering: .acquiring) }

  func stop() {
    stopped.store(true, ordering: .releasing)
    var one: UInt64 = 1
    _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
  }

  /// Waits until `socket` is readable, the time is over, or `stop` is called.
  /// - Parameter socket: -1 to wait for the time alone.
  /// - Returns: whether the socket is readable (or broken).
  func wait(socket: Int32, for duration: Duration) -> Bool {
    var descriptors = [
      pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
      pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
    ]
    // Without a descriptor of its own it looks twice a second.
    let limit = descriptor < 0 ? min(duration, .milliseconds(500)) : duration
    let ready = poll(&descriptors, 2, Int32(clamping: limit.milliseconds(.up)))
    return ready > 0 && descriptors[0].revents != 0
  }
}
