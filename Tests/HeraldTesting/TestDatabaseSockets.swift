import Glibc
import Postgres

/// Where the proxy connects to: a Unix socket or a loopback port.
struct Upstream: Sendable {
  private let host: String
  private let port: String

  init(_ connection: ConnectionString) {
    host = connection["hostaddr"] ?? connection["host"] ?? "/var/run/postgresql"
    port = connection["port"] ?? "5432"
  }

  func connect() throws -> Int32 {
    host.hasPrefix("/") ? try connectUnix() : try connectTCP()
  }

  private func connectUnix() throws -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array("\(host)/.s.PGSQL.\(port)".utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.prefix($0.count - 1)) }
    let descriptor = try Sockets.check("socket", Glibc.socket(AF_UNIX, Sockets.stream, 0))
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    return try Sockets.connected(descriptor, result)
  }

  private func connectTCP() throws -> Int32 {
    let name = host == "localhost" ? "127.0.0.1" : host
    var address = Sockets.address(name, UInt16(port) ?? 5432)
    let descriptor = try Sockets.check("socket", Glibc.socket(AF_INET, Sockets.stream, 0))
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    return try Sockets.connected(descriptor, result)
  }
}

enum Sockets {
  static let stream = Int32(SOCK_STREAM.rawValue)

  static func check(_ call: String, _ result: Int32) throws -> Int32 {
    guard result >= 0 else { throw DatabaseProxy.Failure(call: call, code: errno) }
    return result
  }

  static func connected(_ descriptor: Int32, _ result: Int32) throws -> Int32 {
    guard result == 0 else {
      let code = errno
      close(descriptor)
      throw DatabaseProxy.Failure(call: "connect", code: code)
    }
    return descriptor
  }

  static func address(_ host: String, _ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    return address
  }

  /// A listening socket on a free loopback port.
  static func listen() throws -> Int32 {
    let descriptor = try check("socket", Glibc.socket(AF_INET, stream, 0))
    var address = address("127.0.0.1", 0)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    _ = try check("bind", bound)
    _ = try check("listen", Glibc.listen(descriptor, 64))
    return descriptor
  }

  static func port(of descriptor: Int32) throws -> UInt16 {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    _ = try check("getsockname", result)
    return UInt16(bigEndian: address.sin_port)
  }

  static func writeAll(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      rest = rest.dropFirst(count)
    }
    return true
  }
}
