import Foundation
import Logging
import Synchronization
import Testing

@testable import HTTP

private let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

private func post(_ path: String, _ body: String, _ fields: String = "") -> String {
  "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}

@Suite("Server", .timeLimit(.minutes(1)))
struct ServerTests {
  @Test("many requests use one connection")
  func keepAlive() async throws {
    try await withServer(SampleRoutes.all) { port, server in
      let client = try RawClient(port: port)
      for index in 0..<50 {
        #expect(try client.ask(get).body == "ok")
        #expect(try client.ask(post("/echo", "hello \(index)")).body == "hello \(index)")
        #expect(try client.ask(post("/later", "later \(index)")).body == "later \(index)")
      }
      #expect(server.statistics.connectionsAccepted == 1)
      #expect(server.statistics.requests == 150)
    }
  }

  @Test("pipelined requests are answered in order, inline and asynchronous ones mixed")
  func pipelining() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      let requests = (0..<300).map { post($0 % 3 == 0 ? "/later" : "/echo", "body \($0)") }
      client.send(requests.joined())
      for index in 0..<300 { #expect(try client.readAnswer().body == "body \(index)") }
    }
  }

  @Test("every answer has Date, the length and the request's id")
  func fields() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      let named = try client.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: my.id_1-2\r\n\r\n")
      #expect(named.headers["x-request-id"] == "my.id_1-2")
      #expect(named.headers["content-length"] == "4")
      #expect(named.headers["date"]?.hasSuffix(" GMT") == true)
      let forged = try client.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\r\n\r\n")
      #expect(forged.headers["x-request-id"].flatMap(UUID.init) != nil)
      let missing = try client.ask("GET /none HTTP/1.1\r\nHost: a\r\nX-Request-Id: r7\r\n\r\n")
      #expect(missing.headers["x-request-id"] == "r7")
      #expect(missing.body.contains(#""request_id":"r7""#))
      let bad = try client.ask("GET / HTTP/1.1\r\nX-Request-Id: r8\r\nHost : a\r\n\r\n")
      #expect(bad.status == 400)
      #expect(bad.headers["x-request-id"] == "r8")
      #expect(bad.headers["connection"] == "close")
      #expect(client.isClosed())
    }
  }

  @Test("HEAD has the fields of GET and no body")
  func head() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      let answer = try client.ask("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(answer.status == 200)
      #expect(answer.headers["content-length"] == "2")
      #expect(try client.ask(get).body == "ok")
    }
  }

  @Test("204 has neither body nor length")
  func noContent() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      let answer = try client.ask("DELETE /items/1 HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(answer.status == 204)
      #expect(answer.headers["content-length"] == nil)
      #expect(try client.ask(get).body == "ok")
    }
  }

  @Test("405 and OPTIONS list the methods")
  func allow() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      let wrong = try client.ask("PUT /items/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
      #expect(wrong.status == 405)
      #expect(wrong.headers["allow"] == "GET, HEAD, DELETE, OPTIONS")
      let options = try client.ask("OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(options.status == 204)
      #expect(options.headers["allow"] == "POST, OPTIONS")
    }
  }

  @Test("100 Continue is sent before the body, but not for a body that is refused")
  func expectation() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      let expects = "Expect: 100-continue\r\n"
      client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\(expects)\r\n")
      #expect(try client.readAnswer().status == 100)
      client.send("hello")
      #expect(try client.readAnswer().body == "hello")
      client.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\(expects)\r\n")
      #expect(try client.readAnswer().status == 413)
      #expect(client.isClosed())
    }
  }

  @Test("gzip bodies are inflated, bombs end with 413, damage with 400")
  func compressed() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      func ask(_ body: [UInt8]) throws -> RawClient.Answer {
        let head =
          "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n"
          + "Content-Length: \(body.count)\r\n\r\n"
        client.send(Array(head.utf8) + body)
        return try client.readAnswer()
      }
      let text = String(repeating: "event ", count: 50_000)
      #expect(try ask(gzip(Array(text.utf8))).body == text)
      #expect(try ask(gzip([UInt8](repeating: 0, count: 10_000_000))).status == 413)
      #expect(try ask([1, 2, 3]).status == 400)
      #expect(try ask(gzip([UInt8](repeating: 97, count: 3))).body == "aaa")
    }
  }

  @Test("the client reads the refusal of a body it is still sending")
  func refusalIsRead() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      let client = try RawClient(port: port)
      client.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n")
      #expect(client.send([UInt8](repeating: 0, count: 4_000_000)))
      let answer = try client.readAnswer()
      #expect(answer.status == 413)
      #expect(answer.headers["connection"] == "close")
    }
  }

  @Test("preflights and origins are answered on the configured patterns only")
  func crossOrigin() async throws {
    let preflight =
      "HTTP/1.1\r\nHost: a\r\nOrigin: https://x\r\nAccess-Control-Request-Method: POST\r\n"
      + "Access-Control-Request-Headers: authorization\r\n\r\n"
    try await withServer(SampleRoutes.all) {
      $0.corsPaths = ["/echo"]
    } _: { port, _ in
      let client = try RawClient(port: port)
      let open = try client.ask("OPTIONS /echo \(preflight)")
      #expect(open.headers["access-control-allow-origin"] == "*")
      #expect(open.headers["access-control-allow-headers"] == "authorization")
      #expect(try client.ask(post("/echo", "a")).headers["access-control-allow-origin"] == "*")
      let shut = try client.ask("OPTIONS /later \(preflight)")
      #expect(shut.headers["access-control-allow-origin"] == nil)
      #expect(try client.ask(post("/later", "a")).headers["access-control-allow-origin"] == nil)
    }
  }

  @Test("the access log has the pattern, the status and the bytes")
  func accessLog() async throws {
    let sink = Sink()
    try await withServer(SampleRoutes.all) {
      $0.accessLog = { sink.add($0) }
    } _: { port, _ in
      let client = try RawClient(port: port)
      _ = try client.ask("GET /items/8613800138000 HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = try client.ask(post("/echo", "hello"))
      _ = try client.ask("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = try client.ask("nonsense\r\n\r\n")
    }
    let seen = sink.entries
    #expect(seen.map(\.pattern) == ["/items/{id}", "/echo", nil, nil])
    #expect(seen.map(\.status) == [200, 200, 404, 400])
    #expect(seen.map(\.bytesIn) == [0, 5, 0, 0])
    #expect(seen.allSatisfy { $0.bytesOut > 100 && $0.remoteAddress == "127.0.0.1" })
    #expect(seen.last?.method == nil)
  }

  @Test("a request knows its peer, its time and whether it was forwarded")
  func peer() async throws {
    let routes = [
      Route(
        .get, "/who",
        handler: .immediate { request in
          let recent = abs(request.receivedAt.timeIntervalSinceNow) < 60
          return .text(
            200, "\(request.remoteAddress) \(request.isLoopback) \(request.pattern) \(recent)")
        })
    ]
    try await withServer(routes) { port, _ in
      let client = try RawClient(port: port)
      let plain = try client.ask("GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(plain.body == "127.0.0.1 true /who true")
      let forwarded = try client.ask(
        "GET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
      #expect(forwarded.body == "127.0.0.1 false /who true")
    }
    try await withServer(routes) {
      $0.trustedProxies = AddressRange.loopback
    } _: { port, _ in
      let answer = try RawClient(port: port).ask(
        "GET /who HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
      #expect(answer.body == "9.9.9.9 false /who true")
    }
  }

  @Test("a handler's impossible status becomes a 500")
  func badStatus() async throws {
    let routes = [Route(.get, "/", handler: .immediate { _ in Response(status: 99) })]
    try await withServer(routes) { port, _ in
      let answer = try RawClient(port: port).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(answer.status == 500)
    }
  }

  @Test("the server listens on IPv6 where there is one")
  func ipv6() async throws {
    do {
      try await withServer(SampleRoutes.all) {
        $0.host = "::1"
      } _: { port, _ in
        let answer = try RawClient(port: port, ipv6: true).ask(get)
        #expect(answer.body == "ok")
      }
    } catch let error as ListenError {
      print("skipped: \(error)")
    }
  }

  @Test("a port in use is an error that names it")
  func portInUse() async throws {
    try await withServer(SampleRoutes.all) { port, _ in
      var configuration = ServerConfiguration()
      configuration.port = port
      let second = try Server(routes: [], configuration: configuration, logger: .init(label: "t"))
      #expect(throws: ListenError.self) { try second.start() }
    }
  }
}

/// Collects access entries from the connections' queues.
private final class Sink: Sendable {
  private let stored = Mutex<[AccessEntry]>([])
  var entries: [AccessEntry] { stored.withLock { $0 } }
  func add(_ entry: AccessEntry) { stored.withLock { $0.append(entry) } }
}
