import Glibc
import Synchronization
import Testing

@testable import HTTP

/// A switch that a test throws for a handler, or a handler for a test.
final class Gate: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func open() { continuation.finish() }
  func wait() async { for await _ in stream {} }
}

@Suite("Streaming", .timeLimit(.minutes(1)))
struct StreamingTests {
  private static let piece = [UInt8](repeating: 120, count: 16 * 1024)

  /// Sums up a streamed body; what ends it badly is answered with its own status.
  private static let count = Route(
    .post, "/count", body: .streamed(limit: 8 << 20),
    handler: .async { request in
      var bytes = 0
      do {
        if let stream = request.bodyStream {
          for try await piece in stream { bytes += piece.count }
        }
      } catch {
        return .text(200, "swallowed")
      }
      return .text(200, "\(bytes)")
    })

  private static func head(_ path: String, _ fields: String) -> String {
    "POST \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n"
  }

  @Test("a streamed body arrives whole, with a length and chunked, and the connection goes on")
  func uploads() async throws {
    try await withServer([Self.count]) { port, _ in
      let client = try RawClient(port: port)
      client.send(Self.head("/count", "Content-Length: 3000000"))
      client.send([UInt8](repeating: 1, count: 3_000_000))
      #expect(try client.readAnswer().body == "3000000")
      client.send(Self.head("/count", "Transfer-Encoding: chunked"))
      for _ in 0..<100 {
        client.send("4000\r\n")
        client.send(Self.piece)
        client.send("\r\n")
      }
      client.send("0\r\n\r\n")
      #expect(try client.readAnswer().body == "\(100 * Self.piece.count)")
      #expect(try client.ask(Self.head("/count", "Content-Length: 0")).body == "0")
    }
  }

  @Test("a streamed gzip body is inflated, and a bomb in it is a 413")
  func compressed() async throws {
    try await withServer([Self.count]) { port, _ in
      for (size, status) in [(5_000_000, 200), (9_000_000, 413)] {
        let client = try RawClient(port: port)
        let body = gzip([UInt8](repeating: 0, count: size))
        client.send(
          Self.head("/count", "Content-Encoding: gzip\r\nContent-Length: \(body.count)"))
        client.send(body)
        let answer = try client.readAnswer()
        #expect(answer.status == status)
        if status == 200 { #expect(answer.body == "\(size)") }
      }
    }
  }

  @Test("a fault in a streamed body overrules a handler that swallows it, and closes")
  func faults() async throws {
    try await withServer([Self.count]) { port, _ in
      for (body, status) in [("5\r\nhello\r\nx\r\n", 400), ("900000\r\n", 413)] {
        let client = try RawClient(port: port)
        client.send(Self.head("/count", "Transfer-Encoding: chunked"))
        client.send(body)
        if status == 413 {
          for _ in 0..<600 { client.send(Self.piece) }
        }
        #expect(try client.readAnswer().status == status)
        #expect(client.isClosed())
      }
      let torn = try RawClient(port: port)
      torn.send(Self.head("/count", "Content-Length: 10"))
      torn.send("hello")
      torn.finishSending()
      #expect(try torn.readAnswer().status == 400)
    }
  }

  @Test("100 Continue waits until the handler asks for the body")
  func expectation() async throws {
    let gate = Gate()
    let route = Route(
      .post, "/", body: .streamed(limit: 100),
      handler: .async { request in
        await gate.wait()
        var body: [UInt8] = []
        do {
          if let stream = request.bodyStream { for try await piece in stream { body += piece } }
        } catch {}
        return Response(status: 200, body: .bytes(body))
      })
    let refused = Route(
      .post, "/refused", body: .streamed(limit: 100),
      handler: .async { _ in .text(401, "no") })
    try await withServer([route, refused]) { port, server in
      let client = try RawClient(port: port)
      client.send(Self.head("/", "Content-Length: 5\r\nExpect: 100-continue"))
      // The answer to a later connection shows that the first has been seen to.
      let other = try RawClient(port: port)
      other.send(Self.head("/refused", "Content-Length: 5\r\nExpect: 100-continue"))
      #expect(try other.readAnswer().status == 401)
      #expect(other.isClosed())
      gate.open()
      #expect(try client.readAnswer().status == 100)
      client.send("hello")
      #expect(try client.readAnswer().body == "hello")
    }
  }

  @Test("a client is held back while the handler does not read")
  func uploadBackPressure() async throws {
    let gate = Gate()
    let route = Route(
      .post, "/", body: .streamed(limit: 1 << 30),
      handler: .async { request in
        await gate.wait()
        var bytes = 0
        do {
          if let stream = request.bodyStream {
            for try await piece in stream { bytes += piece.count }
          }
        } catch {}
        return .text(200, "\(bytes)")
      })
    try await withServer([route]) { port, server in
      let client = try RawClient(port: port)
      let total = 64 << 20
      client.send(Self.head("/", "Content-Length: \(total)"))
      let sent = client.sendUntilBlocked(total)
      #expect(sent < total)
      #expect(server.statistics.bytesIn <= 512 * 1024)
      gate.open()
      client.send([UInt8](repeating: 0, count: total - sent))
      #expect(try client.readAnswer().body == "\(total)")
    }
  }

  @Test("a producer waits while the client does not read")
  func downloadBackPressure() async throws {
    let counter = Counter()
    let route = Route(
      .get, "/",
      handler: .immediate { _ in
        Response(
          status: 200,
          body: .stream { writer in
            for _ in 0..<4096 {
              try await writer.write(Self.piece)
              counter.add(1)
            }
          })
      })
    try await withServer([route]) { port, _ in
      let client = try RawClient(port: port, receiveBuffer: 16 * 1024)
      client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      counter.waitUntilStill()
      // Kernel buffers take some megabytes of the 64.
      #expect(counter.value < 2048)
      #expect(try client.readAnswer().body.utf8.count == 4096 * Self.piece.count)
      #expect(counter.value == 4096)
    }
  }

  @Test("streams end as their protocol says: chunked, by closing, not at all for HEAD")
  func endings() async throws {
    let route = Route(
      .get, "/",
      handler: .async { _ in
        Response(
          status: 200,
          body: .stream { writer in
            try await writer.write("hello ")
            try await writer.write([])
            try await writer.write("world")
          })
      })
    try await withServer([route]) { port, _ in
      let client = try RawClient(port: port)
      let answer = try client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(answer.headers["transfer-encoding"] == "chunked")
      #expect(answer.body == "hello world")
      #expect(try client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
      #expect(try client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").body == "hello world")
      let old = try RawClient(port: port)
      old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      let text = String(decoding: old.readToEnd(), as: UTF8.self)
      #expect(text.hasSuffix("\r\n\r\nhello world"))
      #expect(text.contains("Connection: close"))
    }
  }

  @Test("a producer that fails cuts the connection, so that the client can tell")
  func failure() async throws {
    struct Broken: Error {}
    let route = Route(
      .get, "/",
      handler: .immediate { _ in
        Response(
          status: 200,
          body: .stream { writer in
            try await writer.write("half")
            throw Broken()
          })
      })
    try await withServer([route]) { port, _ in
      let client = try RawClient(port: port)
      client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(!String(decoding: client.readToEnd(), as: UTF8.self).hasSuffix("0\r\n\r\n"))
      #expect(!client.timedOut)
    }
  }

  @Test("a producer learns that the client has gone")
  func disconnect() async throws {
    let gate = Gate()
    let route = Route(
      .get, "/",
      handler: .immediate { _ in
        Response(
          status: 200,
          body: .stream { writer in
            defer { gate.open() }
            while true { try await writer.write(Self.piece) }
          })
      })
    try await withServer([route]) { port, _ in
      let client = try RawClient(port: port)
      client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = try client.readExactly(100_000)
    }
    await gate.wait()
  }

  @Test("a handler can answer piece by piece while the body arrives")
  func both() async throws {
    let route = Route(
      .post, "/", body: .streamed(limit: 1 << 20),
      handler: .async { request in
        Response(
          status: 200,
          body: .stream { writer in
            guard let stream = request.bodyStream else { return }
            for try await piece in stream { try await writer.write(piece) }
          })
      })
    try await withServer([route]) { port, _ in
      let client = try RawClient(port: port)
      client.send(Self.head("/", "Content-Length: 10"))
      client.send("hello")
      let first = try client.readUntil("hello")
      #expect(first.hasPrefix("HTTP/1.1 200 OK\r\n"))
      #expect(first.contains("Connection: close"))
      client.send("world")
      #expect(String(decoding: client.readToEnd(), as: UTF8.self).contains("5\r\nworld\r\n0\r\n"))
    }
  }
}

/// Counts from any thread.
final class Counter: Sendable {
  private let state = Atomic(0)
  var value: Int { state.load(ordering: .relaxed) }
  func add(_ count: Int) { state.add(count, ordering: .relaxed) }

  /// Returns when the value is not 0 and has not changed for 200 ms.
  func waitUntilStill() {
    var last = 0
    while true {
      usleep(200_000)
      let now = value
      if now > 0, now == last { return }
      last = now
    }
  }
}
