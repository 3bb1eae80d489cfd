import Dispatch
import Logging

@testable import HTTP

/// A transport without a socket: gives the segments it was made with, keeps what is written.
final class MemoryTransport: Transport {
  private var segments: ArraySlice<[UInt8]>
  private(set) var written: [UInt8] = []
  private(set) var isClosed = false
  private(set) var hasFinishedWriting = false
  private var reading = true

  init(segments: [[UInt8]]) { self.segments = segments[...] }

  func setReading(_ enabled: Bool) { reading = enabled }
  func setWriting(_ enabled: Bool) {}
  func finishWriting() { hasFinishedWriting = true }

  func close(abruptly: Bool) { isClosed = true }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> TransportRead {
    guard let segment = segments.popFirst() else { return .end }
    buffer.copyBytes(from: segment)
    return .bytes(segment.count)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> TransportWrite {
    written.append(contentsOf: bytes)
    return .bytes(bytes.count)
  }

  /// Delivers every segment and the end. True when the connection ended by itself.
  func run(_ connection: Connection) -> Bool {
    var left = segments.count + 2
    while !isClosed, left > 0 {
      left -= 1
      if reading { connection.readable() }
    }
    return isClosed
  }
}

/// Drives connections in memory over routes whose handlers run inline.
struct MemoryServer {
  let service: Service
  let loop: EventLoop

  init(_ routes: [Route], _ configuration: ServerConfiguration = ServerConfiguration()) throws {
    loop = try EventLoop(index: 0)
    service = Service(
      router: try Router(routes), configuration: configuration, logger: Logger(label: "test"))
  }

  /// What the server answers to the segments and then the end of input, and whether it closed.
  func answers(_ segments: [[UInt8]]) -> (output: [UInt8], closed: Bool) {
    let service = service
    let loop = loop
    guard let peer = IPAddress(parsing: "127.0.0.1") else { return ([], false) }
    return loop.queue.sync {
      let transport = MemoryTransport(segments: segments)
      let connection = Connection(
        id: 1, loop: loop, service: service, transport: transport, peer: peer)
      loop.add(connection)
      let closed = transport.run(connection)
      if !closed { loop.abort() }
      return (transport.written, closed)
    }
  }
}
