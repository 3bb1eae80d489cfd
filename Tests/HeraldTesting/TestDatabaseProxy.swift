import Foundation
import Glibc
import Postgres
import Synchronization

/// A relay on a loopback port in front of PostgreSQL that can fall silent or cut connections at the
/// worst moment.
public final class DatabaseProxy: Sendable {
  public enum Mode: Sendable {
    case pass
    /// Keeps connections open and moves no byte in either direction.
    case hold
    /// Passes a COMMIT on, waits for its answer, and cuts the connection instead of passing that back.
    case cutAfterCommit
    /// Cuts the connection instead of passing a COMMIT on.
    case cutBeforeCommit
  }

  /// The whole text of a statement, its terminator included; "READ COMMITTED" does not match.
  private static let commit = Array("COMMIT\u{0}".utf8)

  public struct Failure: Error {
    let call: String
    let code: Int32
  }

  private struct State {
    var mode = Mode.pass
    var isStopped = false
    var cuts = 0
  }

  /// The database behind the proxy.
  public let url: String
  private let listener: Int32
  private let upstream: Upstream
  private let state = Mutex(State())

  public init(upstream url: String) throws {
    var connection = try ConnectionString(url)
    upstream = Upstream(connection)
    listener = try Sockets.listen()
    connection["host"] = "127.0.0.1"
    connection["hostaddr"] = nil
    connection["port"] = String(try Sockets.port(of: listener))
    connection["sslmode"] = "disable"
    connection["gssencmode"] = "disable"
    self.url = connection.text
    Thread.detachNewThread { [self] in accept() }
  }

  public var mode: Mode {
    get { state.withLock { $0.mode } }
    set { state.withLock { $0.mode = newValue } }
  }

  /// How many connections were cut at a COMMIT.
  public var cuts: Int { state.withLock { $0.cuts } }

  /// Closes all connections and the port.
  public func stop() {
    state.withLock { $0.isStopped = true }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  private var isStopped: Bool { state.withLock { $0.isStopped } }

  private func accept() {
    defer { close(listener) }
    while !isStopped {
      let client = Glibc.accept(listener, nil, nil)
      guard client >= 0 else { continue }
      Thread.detachNewThread { [self] in
        defer { close(client) }
        guard let server = try? upstream.connect() else { return }
        defer { close(server) }
        relay(client, server)
      }
    }
  }

  private func relay(_ client: Int32, _ server: Int32) {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while !isStopped {
      if mode == .hold {
        usleep(2000)
        continue
      }
      var sides = [
        pollfd(fd: client, events: Int16(POLLIN), revents: 0),
        pollfd(fd: server, events: Int16(POLLIN), revents: 0),
      ]
      // Short, so that a change of mode is noticed.
      guard poll(&sides, 2, 5) > 0, mode != .hold else { continue }
      if sides[0].revents != 0 {
        let count = read(client, &buffer, buffer.count)
        guard count > 0 else { return }
        let chunk = buffer[..<count]
        if mode != .pass, chunk.firstRange(of: Self.commit) != nil {
          cut(chunk, server)
          return
        }
        guard Sockets.writeAll(chunk, to: server) else { return }
      }
      if sides[1].revents != 0 {
        let count = read(server, &buffer, buffer.count)
        guard count > 0, Sockets.writeAll(buffer[..<count], to: client) else { return }
      }
    }
  }

  private func cut(_ commit: ArraySlice<UInt8>, _ server: Int32) {
    if mode == .cutAfterCommit, Sockets.writeAll(commit, to: server) {
      var answer = [UInt8](repeating: 0, count: 1024)
      _ = read(server, &answer, answer.count)
    }
    state.withLock { $0.cuts += 1 }
  }
}
