import Foundation
import Testing

@testable import HTTP

private let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

/// Real time, because it is the subject: deadlines are short, and only their effect is asserted.
@Suite("Deadlines", .timeLimit(.minutes(1)))
struct DeadlineTests {
  private static func short(_ configuration: inout ServerConfiguration) {
    configuration.timeouts.header = .milliseconds(300)
    configuration.timeouts.body = .milliseconds(300)
    configuration.timeouts.idle = .milliseconds(300)
    configuration.timeouts.write = .milliseconds(300)
    configuration.timeouts.linger = .milliseconds(300)
    configuration.timeouts.minimumRate = 1 << 30
  }

  /// Sends a byte every 50 ms until the server answers; true when it did.
  private static func drip(_ client: RawClient, _ bytes: [UInt8]) -> Bool {
    for byte in bytes {
      client.send([byte])
      if client.isReadable(within: 50) { return true }
    }
    return false
  }

  @Test("a header that drips is a 408 by one total deadline, though bytes keep coming")
  func slowHeader() async throws {
    try await withServer(SampleRoutes.all, Self.short) { port, _ in
      let client = try RawClient(port: port)
      let bytes = Array(
        "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 300))".utf8)
      #expect(Self.drip(client, bytes))
      #expect(try client.readAnswer().status == 408)
      #expect(client.isClosed())
    }
  }

  @Test("the deadline holds for a later header on the connection too")
  func slowSecondHeader() async throws {
    try await withServer(SampleRoutes.all) {
      Self.short(&$0)
      $0.timeouts.idle = .seconds(60)
    } _: { port, _ in
      let client = try RawClient(port: port)
      #expect(try client.ask(get).status == 200)
      #expect(Self.drip(client, [UInt8](repeating: 65, count: 300)))
      #expect(try client.readAnswer().status == 408)
    }
  }

  @Test("a body that drips is a 408, buffered and streamed")
  func slowBody() async throws {
    let streamed = Route(
      .post, "/streamed", body: .streamed(limit: 1000),
      handler: .async { request in
        do {
          if let stream = request.bodyStream { for try await _ in stream {} }
        } catch {}
        return .text(200, "swallowed")
      })
    try await withServer(SampleRoutes.all + [streamed], Self.short) { port, _ in
      for path in ["/echo", "/streamed"] {
        let client = try RawClient(port: port)
        client.send("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n")
        #expect(Self.drip(client, [UInt8](repeating: 65, count: 299)))
        #expect(try client.readAnswer().status == 408)
        #expect(client.isClosed())
      }
    }
  }

  @Test("idle connections are closed without a word")
  func idle() async throws {
    try await withServer(SampleRoutes.all, Self.short) { port, _ in
      let silent = try RawClient(port: port)
      #expect(silent.isClosed() && !silent.timedOut)
      let used = try RawClient(port: port)
      #expect(try used.ask(get).status == 200)
      #expect(used.isClosed() && !used.timedOut)
    }
  }

  @Test("a client that does not read its answer is cut off")
  func slowReader() async throws {
    let large = Route(
      .get, "/large",
      handler: .immediate { _ in
        Response(status: 200, body: .bytes([UInt8](repeating: 0, count: 32 << 20)))
      })
    try await withServer([large], Self.short) { port, server in
      let client = try RawClient(port: port, receiveBuffer: 4096)
      client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
      while server.statistics.connectionsOpen > 0 || server.statistics.requests == 0 {
        usleep(10_000)
      }
      #expect(client.readToEnd().count < 32 << 20)
    }
  }

  @Test("a handler that takes long is not a slow client")
  func slowHandler() async throws {
    let route = Route(
      .get, "/",
      handler: .async { _ in
        try? await Task.sleep(for: .seconds(1))
        return .text(200, "at last")
      })
    try await withServer([route], Self.short) { port, _ in
      let answer = try RawClient(port: port).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(answer.body == "at last")
    }
  }
}

extension RawClient {
  /// Whether something, or the end, can be read within so many milliseconds.
  func isReadable(within milliseconds: Int32) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) == 1
  }
}
