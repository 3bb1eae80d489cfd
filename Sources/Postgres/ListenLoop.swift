import CLibPQ
import Logging

/// The life of a listener's thread: connect, LISTEN, deliver, and again after a loss.
struct ListenLoop: Sendable {
  /// A quiet connection is asked this often whether it still stands.
  static let probeInterval = Duration.seconds(20)
  static let longestPause = Duration.seconds(5)

  let configuration: PoolConfiguration
  let channels: [String]
  let logger: Logger
  let wakeup: Wakeup
  let onConnect: @Sendable () -> Void
  let onNotification: @Sendable (String, String) -> Void

  func run() {
    var pause = Duration.milliseconds(50)
    var isReachable = true
    while !wakeup.isStopped {
      do throws(PostgresError) {
        let connection = try connect()
        if !isReachable { logger.notice("listening for notifications again") }
        isReachable = true
        pause = .milliseconds(50)
        onConnect()
        try listen(on: connection)
        return
      } catch {
        if isReachable { logger.warning("not listening for notifications: \(error.message)") }
        isReachable = false
      }
      _ = wakeup.wait(socket: -1, for: pause * Double.random(in: 0.5...1))
      pause = min(pause * 2, Self.longestPause)
    }
  }

  private func connect() throws(PostgresError) -> Connection {
    let deadline = ContinuousClock.now + configuration.connectTimeout
    let connection = try Connection.open(configuration, deadline: deadline)
    for channel in channels {
      try connection.run("LISTEN \(identifier: channel)")
    }
    connection.limits = Connection.Limits(statement: .seconds(5), call: nil)
    return connection
  }

  /// Returns when stopped, throws when the connection is lost.
  private func listen(on connection: Connection) throws(PostgresError) {
    while !wakeup.isStopped {
      while let (channel, payload) = connection.nextNotification() {
        onNotification(channel, payload)
        if wakeup.isStopped { return }
      }
      guard let handle = connection.handle, PQstatus(handle) == CONNECTION_OK else {
        throw connection.lost()
      }
      if wakeup.wait(socket: PQsocket(handle), for: Self.probeInterval) {
        guard PQconsumeInput(handle) == 1 else { throw connection.lost() }
      } else if !wakeup.isStopped {
        try connection.runScript("SELECT 1")
      }
    }
  }
}

extension Connection {
  /// A notification that has been received, if any; reads nothing from the socket.
  fileprivate func nextNotification() -> (channel: String, payload: String)? {
    guard let handle, let notification = PQnotifies(handle) else { return nil }
    defer { PQfreemem(notification) }
    let payload = notification.pointee.extra.map { String(cString: $0) } ?? ""
    return (String(cString: notification.pointee.relname), payload)
  }
}
