import Foundation
import HTTP
import Testing

@Suite("Servers that misbehave") struct ClientMisbehaviourTests {
  let client = makeClient()

  func request(
    _ server: StandIn, method: String = "POST", body: [UInt8] = [1, 2, 3],
    timeout: Duration = .seconds(20)
  ) -> ClientRequest {
    ClientRequest(method: method, url: server.url(), body: body, timeout: timeout)
  }

  @Test(
    "A reused connection that dies after it took a request: unknown, and never sent again",
    arguments: [("POST", 3), ("POST", 0), ("GET", 0), ("DELETE", 0), ("PUT", 70_000)],
    [false, true])
  func noResend(method: (name: String, length: Int), byReset: Bool) async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send(StandIn.ok)
      _ = connection.receive()
      if byReset { connection.reset() }
    }
    let body = [UInt8](repeating: 9, count: method.length)
    let first = await client.send(request(server, method: method.name, body: body))
    #expect(first.response?.status == 200)
    let second = await client.send(request(server, method: method.name, body: body))
    #expect(second.unknown != nil, "\(second)")
    #expect(server.requests.count == 2)
    let third = await client.send(request(server, method: method.name, body: body))
    #expect(third.response?.status == 200)
    // libcurl may have opened another connection to repeat the second: it carried nothing.
    let connections = server.requests.map(\.connection)
    #expect(connections.count == 3)
    #expect(connections.prefix(2) == [1, 1])
  }

  @Test("A connection that the server closed while it was idle is replaced unseen")
  func idleClose() async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send(StandIn.ok)
    }
    for _ in 0..<5 {
      let outcome = await client.send(request(server))
      #expect(outcome.notSent == nil)
      // The close may overtake the client's look at the connection; then nobody knows, and says so.
      #expect(outcome.response?.status == 200 || outcome.unknown != nil)
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  @Test("A fresh connection closed or reset after the request: unknown", arguments: [false, true])
  func closeAfterRequest(byReset: Bool) async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      if byReset { connection.reset() }
    }
    #expect(await client.send(request(server)).unknown != nil)
    #expect(server.requests.count == 1)
  }

  @Test("A server that never answers: unknown at the timeout, and the connection is closed")
  func silence() async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.waitForClose()
    }
    #expect(await client.send(request(server, timeout: .milliseconds(200))).unknown != nil)
  }

  @Test(
    "An answer that stops half-way, or drips too slowly: unknown at the timeout",
    arguments: [
      "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    ])
  func hang(start: String) async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send(start)
      connection.waitForClose()
    }
    #expect(await client.send(request(server, timeout: .milliseconds(300))).unknown != nil)
  }

  @Test("A drip that never ends: unknown at the timeout, which is a total one")
  func drip() async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
      while connection.send("x") { usleep(10_000) }
    }
    #expect(await client.send(request(server, timeout: .milliseconds(300))).unknown != nil)
  }

  @Test(
    "Bytes that are no HTTP answer: unknown",
    arguments: [
      "garbage", "\u{0}\u{1}\u{2}\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", "SSH-2.0-OpenSSH\r\n", "<html></html>",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nab\r\n0\r\n\r\n",
    ])
  func garbage(text: String) async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send(text)
    }
    let outcome = await client.send(request(server))
    #expect(outcome.unknown != nil, "\(outcome)")
  }

  @Test(
    "Ten megabytes of headers, in many lines or in one, end at the cap", arguments: [true, false])
  func headerFlood(manyLines: Bool) async throws {
    let piece =
      manyLines
      ? "X-A: " + String(repeating: "a", count: 1000) + "\r\n" : String(repeating: "a", count: 1000)
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send("HTTP/1.1 200 OK\r\n" + (manyLines ? "" : "X-A: "))
      var sent = 0
      while sent < 10 << 20, connection.send(piece) { sent += piece.utf8.count }
      connection.waitForClose()
    }
    #expect(await client.send(request(server)).unknown != nil)
  }

  @Test("A flood of interim answers ends at the cap")
  func interimFlood() async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      while connection.send("HTTP/1.1 100 Continue\r\n\r\n") {}
    }
    #expect(await client.send(request(server)).unknown?.contains("headers") == true)
  }

  @Test(
    "Of an endless body the answer keeps what the cap allows", arguments: [0, 1, 1000, 64 << 10])
  func endlessBody(cap: Int) async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      let chunk = "400\r\n" + String(repeating: "b", count: 1024) + "\r\n"
      while connection.send(chunk) {}
    }
    var request = request(server)
    request.maxResponseBytes = cap
    let response = try #require(await client.send(request).response)
    #expect(response.status == 200)
    #expect(response.body == [UInt8](repeating: UInt8(ascii: "b"), count: cap))
    #expect(response.isTruncated)
  }

  @Test("A body of exactly the cap is whole")
  func exactBody() async throws {
    let server = try StandIn.answering()
    var request = request(server)
    request.maxResponseBytes = 2
    let response = try #require(await client.send(request).response)
    #expect(response.body.count == 2)
    #expect(!response.isTruncated)
  }

  @Test("A Content-Length longer than the body: unknown")
  func longLength() async throws {
    let server = try StandIn { connection in
      _ = connection.receive()
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
    }
    #expect(await client.send(request(server)).unknown != nil)
  }

  @Test("A Content-Length shorter than the body: the rest is never taken for the next answer")
  func shortLength() async throws {
    let server = try StandIn.answering(
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n"
    )
    for _ in 0..<5 {
      let outcome = await client.send(request(server))
      #expect(outcome.response.map { $0.status == 200 } ?? (outcome.unknown != nil), "\(outcome)")
    }
  }

  @Test("A redirect is an answer, not followed")
  func redirect() async throws {
    let other = try StandIn.answering()
    let server = try StandIn.answering(
      "HTTP/1.1 302 Found\r\nLocation: \(other.url())\r\nContent-Length: 0\r\n\r\n")
    let response = try #require(await client.send(request(server)).response)
    #expect(response.status == 302)
    #expect(other.accepted == 0)
    #expect(server.requests.count == 1)
  }

  @Test("Nobody listening: surely not sent")
  func refused() async throws {
    let (descriptor, port) = try StandIn.listen(backlog: 1)
    close(descriptor)
    let outcome = await client.send(
      ClientRequest(method: "POST", url: "http://127.0.0.1:\(port)/", body: [1]))
    #expect(outcome.notSent != nil)
  }

  @Test("A server that speaks no TLS: surely not sent")
  func noTLS() async throws {
    let server = try StandIn { connection in
      connection.send("HTTP/1.1 400 Bad Request\r\n\r\n")
      connection.waitForClose()
    }
    let url = server.url().replacingOccurrences(of: "http:", with: "https:")
    let outcome = await client.send(ClientRequest(method: "POST", url: url, body: [1]))
    #expect(outcome.notSent != nil, "\(outcome)")
  }

  @Test("A connection that is never accepted: surely not sent, at the connect timeout")
  func connectTimeout() async throws {
    // A full backlog: the kernel drops further SYNs.
    let (listener, port) = try StandIn.listen(backlog: 0)
    defer { close(listener) }
    var fillers: [Int32] = []
    defer { for descriptor in fillers { close(descriptor) } }
    for _ in 0..<8 {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
      fillers.append(descriptor)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = UInt16(port).bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          _ = connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
    let outcome = await client.send(
      ClientRequest(
        method: "POST", url: "http://127.0.0.1:\(port)/", body: [1],
        connectTimeout: .milliseconds(200)))
    #expect(outcome.notSent != nil, "\(outcome)")
  }
}
