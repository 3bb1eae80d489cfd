import Foundation
import Synchronization

/// A server on a raw loopback socket that does what a test tells it to, however wrong. Each connection
/// has a thread. It listens until the process ends: tests know it by its URL, which would not keep it alive.
final class StandIn: Sendable {
  let port: Int
  private let listener: Int32
  private let log = Mutex(Log())

  private struct Log {
    var accepted = 0
    var open = 0
    var mostOpen = 0
    var requests: [StandInRequest] = []
  }

  init(_ serve: @escaping @Sendable (StandInConnection) -> Void) throws {
    (listener, port) = try Self.listen(backlog: 256)
    let thread = Thread { self.run(serve) }
    thread.stackSize = 256 << 10
    thread.start()
  }

  private func run(_ serve: @escaping @Sendable (StandInConnection) -> Void) {
    while true {
      let descriptor = accept(listener, nil, nil)
      guard descriptor >= 0 else { continue }
      let number = log.withLock { log in
        log.accepted += 1
        log.open += 1
        log.mostOpen = max(log.mostOpen, log.open)
        return log.accepted
      }
      let connection = StandInConnection(
        descriptor: descriptor, number: number,
        note: { request in self.log.withLock { $0.requests.append(request) } })
      let thread = Thread {
        serve(connection)
        connection.end()
        self.log.withLock { $0.open -= 1 }
      }
      thread.stackSize = 256 << 10
      thread.start()
    }
  }

  /// Answers every request on every connection alike.
  static func answering(_ response: String = ok) throws -> StandIn {
    try StandIn { connection in
      while connection.receive() != nil { connection.send(response) }
    }
  }

  static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

  var accepted: Int { log.withLock { $0.accepted } }
  var mostOpen: Int { log.withLock { $0.mostOpen } }
  var requests: [StandInRequest] { log.withLock { $0.requests } }

  func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }

  struct Failure: Error { let call: String, code: Int32 }

  /// A bound and listening socket on a free port.
  static func listen(backlog: Int32) throws -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(call: "socket", code: errno) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && Glibc.listen(descriptor, backlog) == 0
          && getsockname(descriptor, generic, &length) == 0
      }
    }
    guard code else { throw Failure(call: "bind", code: errno) }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }
}

struct StandInRequest: Sendable {
  let connection: Int
  /// Request line and headers, without the empty line.
  let head: String
  let body: [UInt8]

  var line: String { head.components(separatedBy: "\r\n").first ?? "" }

  func header(_ name: String) -> String? {
    head.components(separatedBy: "\r\n").dropFirst()
      .first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
      .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
  }
}

/// One accepted connection, used by its own thread only.
///
/// `@unchecked`: `rest` is touched by that thread alone.
final class StandInConnection: @unchecked Sendable {
  let number: Int
  private let descriptor: Int32
  private let note: @Sendable (StandInRequest) -> Void
  private var rest: [UInt8] = []
  private let isClosed = Mutex(false)

  init(descriptor: Int32, number: Int, note: @escaping @Sendable (StandInRequest) -> Void) {
    self.descriptor = descriptor
    self.number = number
    self.note = note
  }

  /// The next request, whole; nil when the client closed the connection.
  func receive() -> StandInRequest? {
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let index = rest.indices.first(where: { rest[$0...].starts(with: end) }) {
        let head = String(decoding: rest[..<index], as: UTF8.self)
        let draft = StandInRequest(connection: number, head: head, body: [])
        let length = draft.header("content-length").flatMap { Int($0) } ?? 0
        let start = index + end.count
        while rest.count < start + length { guard readMore() else { return nil } }
        let request = StandInRequest(
          connection: number, head: head, body: Array(rest[start..<start + length]))
        rest.removeFirst(start + length)
        note(request)
        return request
      }
      guard readMore() else { return nil }
    }
  }

  private func readMore() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return false }
    rest.append(contentsOf: buffer[..<count])
    return true
  }

  /// False when the client is gone.
  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var offset = 0
    while offset < bytes.count {
      let count = bytes[offset...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      offset += count
    }
    return true
  }

  /// Returns once the client has closed the connection.
  func waitForClose() { while readMore() {} }

  /// Ends the connection with RST instead of FIN.
  func reset() {
    var linger = linger(l_onoff: 1, l_linger: 0)
    setsockopt(
      descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    end()
  }

  func end() {
    isClosed.withLock { isClosed in
      if !isClosed { close(descriptor) }
      isClosed = true
    }
  }
}
