import Foundation
import Glibc

/// A blocking TCP client that sends exactly the bytes it is given. Reads give up after 20 s.
///
/// `@unchecked Sendable`: a test uses a client from one thread at a time.
final class RawClient: @unchecked Sendable {
  struct Answer: Equatable {
    var status: Int
    var headers: [String: String]
    var body: String
  }

  struct Closed: Error {}
  struct ConnectFailed: Error { let code: Int32 }

  let descriptor: Int32
  private var received: [UInt8] = []
  /// Whether a read has given up.
  private(set) var timedOut = false

  init(port: Int, receiveBuffer: Int32? = nil, ipv6: Bool = false) throws {
    descriptor = socket(ipv6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    var timeout = timeval(tv_sec: 20, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
    if var receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
    let status: Int32
    if ipv6 {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = UInt16(port).bigEndian
      inet_pton(AF_INET6, "::1", &address.sin6_addr)
      status = Self.connect(descriptor, &address)
    } else {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = UInt16(port).bigEndian
      inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
      status = Self.connect(descriptor, &address)
    }
    guard status == 0 else { throw ConnectFailed(code: errno) }
  }

  deinit { close(descriptor) }

  private static func connect<T>(_ descriptor: Int32, _ address: inout T) -> Int32 {
    let size = socklen_t(MemoryLayout<T>.size)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, size)
      }
    }
  }

  /// Returns false when the server no longer takes bytes.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(
          descriptor, $0.baseAddress?.advanced(by: sent), bytes.count - sent,
          Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  @discardableResult
  func send(_ text: String) -> Bool { send(Array(text.utf8)) }

  /// Sends zeros until the kernel takes no more for 300 ms; returns how many it took.
  func sendUntilBlocked(_ limit: Int) -> Int {
    let piece = [UInt8](repeating: 0, count: 64 * 1024)
    var sent = 0
    while sent < limit {
      var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
      guard poll(&entry, 1, 300) == 1 else { return sent }
      let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
      let count = Glibc.send(descriptor, piece, min(piece.count, limit - sent), flags)
      if count > 0 { sent += count }
    }
    return sent
  }

  func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// False at the end of the stream, on a reset and after 20 s.
  private func fill() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    if count < 0, errno == EAGAIN { timedOut = true }
    guard count > 0 else { return false }
    received += buffer[..<count]
    return true
  }

  /// Everything until the server closes.
  func readToEnd() -> [UInt8] {
    while fill() {}
    defer { received = [] }
    return received
  }

  /// Whether the server has closed, with nothing more to read.
  func isClosed() -> Bool { received.isEmpty && !fill() }

  func readExactly(_ count: Int) throws -> [UInt8] {
    while received.count < count { guard fill() else { throw Closed() } }
    defer { received.removeFirst(count) }
    return Array(received[..<count])
  }

  /// Everything up to and including `mark`.
  func readUntil(_ mark: String) throws -> String {
    while true {
      let text = String(decoding: received, as: UTF8.self)
      if let range = text.range(of: mark) {
        received = Array(text[range.upperBound...].utf8)
        return String(text[..<range.upperBound])
      }
      guard fill() else { throw Closed() }
    }
  }

  private func readLine() throws -> String {
    var start = 0
    while true {
      if let end = received[start...].firstIndex(of: 10) {
        let line = String(decoding: received[..<end], as: UTF8.self)
        received.removeFirst(end + 1)
        return line.hasSuffix("\r") ? String(line.dropLast()) : line
      }
      start = received.count
      guard fill() else { throw Closed() }
    }
  }

  /// The next response, also an interim one. `bodyless` after HEAD.
  func readAnswer(bodyless: Bool = false) throws -> Answer {
    let parts = try readLine().split(separator: " ")
    guard parts.count >= 2, let status = Int(parts[1]) else { throw Closed() }
    var headers: [String: String] = [:]
    while true {
      let line = try readLine()
      if line.isEmpty { break }
      let pair = line.split(separator: ":", maxSplits: 1)
      headers[pair[0].lowercased()] = String(pair.count > 1 ? pair[1].dropFirst() : "")
    }
    var body: [UInt8] = []
    if !bodyless, let length = headers["content-length"].flatMap({ Int($0) }) {
      body = try readExactly(length)
    } else if !bodyless, headers["transfer-encoding"] == "chunked" {
      while let size = Int(try readLine(), radix: 16), size > 0 {
        body += try readExactly(size)
        _ = try readLine()
      }
      _ = try readLine()
    }
    return Answer(status: status, headers: headers, body: String(decoding: body, as: UTF8.self))
  }

  /// Sends a request and reads its answer.
  func ask(_ text: String) throws -> Answer {
    send(text)
    return try readAnswer(bodyless: text.hasPrefix("HEAD"))
  }
}
