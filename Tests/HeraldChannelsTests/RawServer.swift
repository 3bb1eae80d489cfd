import Foundation
import Synchronization

/// A loopback port that does whatever a test tells it to, however wrong. It listens until the process
/// ends.
final class RawServer: Sendable {
  let port: Int
  private let received = Mutex<[RawRequest]>([])

  struct Failure: Error { let call: String }

  /// `serve` has a connection to itself, on a thread of its own.
  init(_ serve: @escaping @Sendable (RawConnection) -> Void) throws {
    let listener: Int32
    (listener, port) = try Self.listen()
    Thread.detachNewThread { [self] in
      while true {
        let descriptor = accept(listener, nil, nil)
        guard descriptor >= 0 else { continue }
        let connection = RawConnection(descriptor) { request in
          self.received.withLock { $0.append(request) }
        }
        Thread.detachNewThread {
          serve(connection)
          connection.end()
        }
      }
    }
  }

  /// Answers every request with these bytes.
  static func answering(_ response: String) throws -> RawServer {
    try RawServer { connection in
      while connection.receive() != nil { connection.send(response) }
    }
  }

  static func answering(_ status: Int, _ headers: [String] = [], body: String = "") throws
    -> RawServer
  {
    let lines = ["HTTP/1.1 \(status) X", "Content-Length: \(body.utf8.count)"] + headers
    return try answering(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
  }

  var url: String { "http://127.0.0.1:\(port)/hook" }
  var requests: [RawRequest] { received.withLock { $0 } }

  /// A bound and listening socket on a free port.
  static func listen() throws -> (descriptor: Int32, port: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw Failure(call: "socket") }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && Glibc.listen(descriptor, 64) == 0
          && getsockname(descriptor, generic, &length) == 0
      }
    }
    guard isBound else { throw Failure(call: "bind") }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }

  /// A port that refuses connections: it was free a moment ago.
  static func closedPort() throws -> Int {
    let (descriptor, port) = try listen()
    close(descriptor)
    return port
  }
}

struct RawRequest: Sendable {
  /// Request line and fields.
  let head: String
  let body: [UInt8]

  func header(_ name: String) -> String? {
    head.components(separatedBy: "\r\n").dropFirst()
      .first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
      .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
  }
}

/// `@unchecked`: touched by its own thread only.
final class RawConnection: @unchecked Sendable {
  private let descriptor: Int32
  private let note: @Sendable (RawRequest) -> Void
  private var rest: [UInt8] = []

  init(_ descriptor: Int32, _ note: @escaping @Sendable (RawRequest) -> Void) {
    self.descriptor = descriptor
    self.note = note
  }

  /// The next request, whole; nil when the client has gone.
  func receive() -> RawRequest? {
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let range = rest.firstRange(of: end) {
        let head = String(decoding: rest[..<range.lowerBound], as: UTF8.self)
        let length = RawRequest(head: head, body: []).header("content-length").flatMap { Int($0) }
        while rest.count < range.upperBound + (length ?? 0) { guard read() else { return nil } }
        let bodyEnd = range.upperBound + (length ?? 0)
        let request = RawRequest(head: head, body: Array(rest[range.upperBound..<bodyEnd]))
        rest.removeFirst(bodyEnd)
        note(request)
        return request
      }
      guard read() else { return nil }
    }
  }

  private func read() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return false }
    rest += buffer[..<count]
    return true
  }

  /// False when the client has gone.
  @discardableResult
  func send(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
  }

  func waitForClose() { while read() {} }

  func end() { close(descriptor) }
}
