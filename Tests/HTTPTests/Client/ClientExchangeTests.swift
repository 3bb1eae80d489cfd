import Foundation
import HTTP
import Testing

@Suite("Outbound exchanges") struct ClientExchangeTests {
  let client = makeClient()

  @Test("A POST arrives with its bytes and headers as they were given")
  func post() async throws {
    let server = try StandIn.answering()
    let body = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let outcome = await client.send(
      ClientRequest(
        method: "POST", url: server.url("/a/../b?x=%20"),
        headers: [("X-Test", "1"), ("x-empty", ""), ("Content-Type", "text/plain; é")], body: body))
    let response = try #require(outcome.response)
    #expect(response.status == 200)
    #expect(response.body == Array("ok".utf8))
    let request = try #require(server.requests.first)
    #expect(request.line == "POST /a/../b?x=%20 HTTP/1.1")
    #expect(request.body == body)
    #expect(request.header("x-test") == "1")
    #expect(request.header("x-empty") == "")
    #expect(request.header("content-type") == "text/plain; é")
    #expect(request.header("user-agent") == "Herald")
  }

  @Test("Nothing is added that was not asked for")
  func additions() async throws {
    let server = try StandIn.answering()
    let body = [UInt8](repeating: 7, count: 2 << 20)
    let outcome = await client.send(
      ClientRequest(method: "POST", url: server.url(), body: body))
    #expect(outcome.response?.status == 200)
    let request = try #require(server.requests.first)
    #expect(request.body == body)
    for name in ["expect", "accept-encoding", "content-type", "transfer-encoding", "referer"] {
      #expect(request.header(name) == nil, "\(name)")
    }
  }

  @Test(
    "Each method is sent as named, with a body and without",
    arguments: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], [[], Array("body".utf8)])
  func methods(method: String, body: [UInt8]) async throws {
    let server = try StandIn.answering()
    let outcome = await client.send(ClientRequest(method: method, url: server.url(), body: body))
    #expect(outcome.response?.status == 200)
    let request = try #require(server.requests.first)
    #expect(request.line == "\(method) / HTTP/1.1")
    #expect(request.body == body)
    let hasLength = !body.isEmpty || ["POST", "PUT", "PATCH"].contains(method)
    #expect(request.header("content-length") == (hasLength ? String(body.count) : nil))
  }

  @Test("HEAD waits for no body, and the handle serves other methods afterwards")
  func head() async throws {
    let server = try StandIn { connection in
      while let request = connection.receive() {
        let body = request.line.hasPrefix("HEAD") ? "" : "hello"
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body)
      }
    }
    for method in ["HEAD", "GET", "HEAD", "POST"] {
      let outcome = await client.send(ClientRequest(method: method, url: server.url()))
      #expect(outcome.response?.body == Array((method == "HEAD" ? "" : "hello").utf8))
    }
    #expect(server.accepted == 1)
  }

  @Test("Any status is a response", arguments: [204, 301, 304, 400, 404, 410, 429, 500, 503, 599])
  func statuses(status: Int) async throws {
    let server = try StandIn.answering(
      "HTTP/1.1 \(status) X\r\nContent-Length: 0\r\nLocation: /next\r\n\r\n")
    let outcome = await client.send(ClientRequest(url: server.url()))
    #expect(outcome.response?.status == status)
    #expect(server.requests.count == 1)
  }

  @Test("Headers are found in any case; interim answers and trailers leave no trace")
  func headers() async throws {
    let server = try StandIn.answering(
      "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
        + "HTTP/1.1 200 OK\r\nRETRY-after:  7 \r\nX-Two: a\r\nx-two: b\r\nX-None:\r\n"
        + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n")
    let response = try #require(await client.send(ClientRequest(url: server.url())).response)
    #expect(response.header("Retry-After") == "7")
    #expect(response.retryAfter(now: .now) == .seconds(7))
    #expect(response.header("x-TWO") == "a")
    #expect(response.header("x-none") == "")
    #expect(response.header("x-early") == nil)
    #expect(response.header("x-trailer") == nil)
    #expect(
      response.headers.map(\.name) == [
        "RETRY-after", "X-Two", "x-two", "X-None", "Transfer-Encoding",
      ])
    #expect(response.body == Array("ok".utf8))
  }

  @Test("One request after the other goes over one connection")
  func keepAlive() async throws {
    let server = try StandIn.answering()
    for number in 0..<50 {
      let outcome = await client.send(
        ClientRequest(method: "POST", url: server.url("/\(number)"), body: [1]))
      #expect(outcome.response?.status == 200)
    }
    #expect(server.accepted == 1)
    #expect(server.requests.map(\.line) == (0..<50).map { "POST /\($0) HTTP/1.1" })
  }

  @Test("A compressed answer comes as it is")
  func compressed() async throws {
    let server = try StandIn.answering(
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\u{1F}zip")
    let response = try #require(await client.send(ClientRequest(url: server.url())).response)
    #expect(response.body == Array("\u{1F}zip".utf8))
  }

  @Test("Hundreds of requests at once are each answered with their own answer")
  func concurrent() async throws {
    let server = try StandIn { connection in
      while let request = connection.receive() {
        let body = request.line
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
      }
    }
    let client = client
    await withTaskGroup(of: Bool.self) { group in
      for number in 0..<500 {
        group.addTask {
          let outcome = await client.send(
            ClientRequest(method: "POST", url: server.url("/\(number)"), body: [2]))
          return outcome.response?.body == Array("POST /\(number) HTTP/1.1".utf8)
        }
      }
      for await isRight in group { #expect(isRight) }
    }
    #expect(server.requests.count == 500)
  }
}
