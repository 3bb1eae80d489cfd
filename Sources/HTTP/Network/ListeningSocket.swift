import CLinuxSockets
import Glibc

/// Opening a listening socket and accepting from it.
enum ListeningSocket {
  enum Accepted {
    case connection(Int32, IPAddress)
    /// Nothing waits.
    case none
    /// This connection has gone already.
    case retry
    /// Out of descriptors or memory.
    case exhausted(Int32)
  }

  /// Binds the first address the host resolves to that can be bound.
  static func open(host: String, port: Int, backlog: Int32) throws(ListenError) -> Int32 {
    var hints = addrinfo()
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
    guard status == 0 else {
      throw ListenError(host: host, port: port, reason: String(cString: gai_strerror(status)))
    }
    defer { freeaddrinfo(list) }
    var last: Int32 = 0
    var entry = list
    while let current = entry?.pointee {
      if let descriptor = bind(current, backlog: backlog) { return descriptor }
      last = errno
      entry = current.ai_next
    }
    throw ListenError(host: host, port: port, reason: String(cString: strerror(last)))
  }

  /// Nil with errno set when the address cannot be bound.
  private static func bind(_ address: addrinfo, backlog: Int32) -> Int32? {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let descriptor = socket(address.ai_family, type, 0)
    guard descriptor >= 0 else { return nil }
    setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
    if address.ai_family == AF_INET6 {
      setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0)
    }
    guard Glibc.bind(descriptor, address.ai_addr, address.ai_addrlen) == 0,
      listen(descriptor, backlog) == 0
    else {
      let code = errno
      close(descriptor)
      errno = code
      return nil
    }
    return descriptor
  }

  static func port(of descriptor: Int32) -> Int? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getsockname(descriptor, $0, &length)
      }
    }
    guard status == 0 else { return nil }
    // The port lies at the same offset in both families.
    let port = withUnsafeBytes(of: storage) { $0.load(as: sockaddr_in.self).sin_port }
    return Int(UInt16(bigEndian: port))
  }

  /// A connection that does not block and sends without delay.
  static func accept(_ descriptor: Int32) -> Accepted {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let connection = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sockets_accept(descriptor, $0, &length)
      }
    }
    guard connection >= 0 else {
      switch errno {
      case EAGAIN: return .none
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno)
      default: return .retry
      }
    }
    setOption(connection, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    guard let address = IPAddress(storage) else {
      close(connection)
      return .retry
    }
    return .connection(connection, address)
  }

  private static func setOption(
    _ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32
  ) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}

/// Why the server could not listen.
public struct ListenError: Error, CustomStringConvertible {
  public let host: String
  public let port: Int
  public let reason: String
  public var description: String { "cannot listen on \(host):\(port): \(reason)" }
}
