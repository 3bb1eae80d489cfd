import CLibCurl
import Foundation
import Testing

@testable import HTTP

@Suite("What may be sent, and whereto") struct ClientRefusalTests {
  /// Ways to say a forbidden address; `PORT` becomes that of a listener that must see no connection.
  static let forbidden = [
    "http://127.0.0.1:PORT/", "http://127.0.0.1.:PORT/", "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://0x7f000001:PORT/", "http://2130706433:PORT/", "http://017700000001:PORT/",
    "http://0x7f.0.0.1:PORT/", "http://0177.0.0.1:PORT/", "http://0x7f.1:PORT/", "http://0:PORT/",
    "http://0.0.0.0:PORT/", "http://127.255.255.254:PORT/", "http://127.000.000.001:PORT/",
    "http://localhost:PORT/", "http://LOCALHOST:PORT/", "http://localhost.:PORT/",
    "http://x.localhost:PORT/", "http://[::1]:PORT/", "http://[::]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/", "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/", "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::1]:PORT/", "http://[2002:7f00:1::]:PORT/", "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/", "http://[fec0::1]:PORT/", "http://[fc00::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/", "http://[ff02::1]:PORT/", "http://[2001:db8::1]:PORT/",
    "http://[2001::1]:PORT/", "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/", "http://2852039166/", "http://[::ffff:169.254.169.254]/",
    "http://100.100.100.200/", "http://168.63.129.16/", "http://10.0.0.1/", "http://172.16.0.1/",
    "http://172.31.255.255/", "http://192.168.1.1/", "http://100.64.0.1/", "http://198.18.0.1/",
    "http://192.0.0.192/", "http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/",
    "http://user:pass@127.0.0.1:PORT/", "http://example.com@127.0.0.1:PORT/",
    "http://example.com:80@127.0.0.1:PORT/", "http://127.0.0.1:PORT\\@example.com/",
    "http://①②⑦.⓪.⓪.①:PORT/", "http://127。0。0。1:PORT/", "http://１２７.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/", "http://%31%32%37.0.0.1:PORT/", "http://127.0.0.1:PORT#@x.com/",
    "http://127.0.0.1:PORT?@x.com/", "http:127.0.0.1:PORT/", "http:///127.0.0.1:PORT/",
    "//127.0.0.1:PORT/", "127.0.0.1:PORT", "gopher://127.0.0.1:PORT/", "file:///etc/passwd",
    "ftp://127.0.0.1:PORT/", "dict://127.0.0.1:PORT/", "telnet://127.0.0.1:PORT/",
    "http://rebound.example:PORT/", "http://metadata.example/", "http://mixed.example:PORT/",
    "http://999.999.999.999:PORT/", "http://1.2.3:PORT/x\r\nHost: y", "http://127.0.0.1:PORT /",
    "http://127.0.0.1:99999/", "http://[127.0.0.1]:PORT/", "http://", "",
  ]

  static let names = [
    "rebound.example": ["127.0.0.1"], "metadata.example": ["169.254.169.254"],
    "mixed.example": ["127.0.0.1", "::1", "10.1.2.3"],
  ]

  @Test("No form of a forbidden address leads to a connection", arguments: forbidden)
  func wall(form: String) async throws {
    let server = try StandIn.answering()
    let client = makeClient {
      $0.allowPrivateAddresses = false
      $0.lookup = { host in
        .success((Self.names[host] ?? ["127.0.0.1"]).compactMap { ClientAddress(literal: $0) })
      }
    }
    let url = form.replacingOccurrences(of: "PORT", with: String(server.port))
    let outcome = await client.send(
      ClientRequest(method: "POST", url: url, body: [1], timeout: .seconds(5)))
    #expect(outcome.notSent != nil, "\(outcome)")
    #expect(server.accepted == 0)
  }

  @Test(
    "What the addresses of a name forbid is told from what may go well later",
    arguments: ["10.0.0.1", "127.0.0.1", "localhost", "rebound.example"])
  func kinds(host: String) async throws {
    let client = makeClient {
      $0.allowPrivateAddresses = false
      $0.lookup = { host in
        guard let addresses = Self.names[host] else {
          return .failure(ClientRefusal(reason: "\(host) is not there"))
        }
        return .success(addresses.compactMap { ClientAddress(literal: $0) })
      }
    }
    let outcome = await client.send(ClientRequest(url: "http://\(host)/", timeout: .seconds(5)))
    #expect(outcome.forbidden?.contains("HERALD_ALLOW_PRIVATE_ENDPOINTS") == true)
    let absent = await client.send(ClientRequest(url: "http://absent.example/"))
    #expect(absent.forbidden == nil)
    #expect(absent.notSent != nil)
  }

  @Test("There are at least sixty forms")
  func count() { #expect(Set(Self.forbidden).count >= 60) }

  @Test("The wall at the socket holds even when every earlier check is passed by")
  func socketWall() throws {
    let server = try StandIn.answering()
    var configuration = ClientConfiguration()
    configuration.allowPrivateAddresses = false
    let submission = try ClientSubmission(
      ClientRequest(method: "POST", url: "http://rebound.example:\(server.port)/", body: [1]),
      allowPrivate: false)
    let loopback = try #require(ClientAddress(literal: "127.0.0.1"))
    submission.pin = ClientPin(
      host: "rebound.example", port: server.port, addresses: [loopback])
    let transfer = try #require(ClientTransfer(configuration))
    transfer.prepare(submission, now: .now)
    let code = curl_easy_perform(transfer.handle)
    #expect(transfer.outcome(code).forbidden?.contains("HERALD_ALLOW_PRIVATE_ENDPOINTS") == true)
    #expect(server.accepted == 0)

    // The same transfer goes through where it is allowed: the test above tests the wall.
    configuration.allowPrivateAddresses = true
    let free = try #require(ClientTransfer(configuration))
    free.prepare(submission, now: .now)
    #expect(free.outcome(curl_easy_perform(free.handle)).response?.status == 200)
  }

  @Test("The check at saving time tells why, and names the way out")
  func savingTime() {
    func refusal(_ url: String, allowPrivate: Bool = false) -> String? {
      HTTPClient.refusal(forURL: url, allowPrivate: allowPrivate)
    }
    #expect(refusal("https://hooks.example.com/x?y=1") == nil)
    #expect(refusal("https://8.8.8.8/") == nil)
    #expect(refusal("https://[2606:4700::1111]:8443/") == nil)
    #expect(refusal("http://[64:ff9b::8.8.8.8]/") == nil)
    #expect(refusal("http://10.0.0.1/")?.contains("HERALD_ALLOW_PRIVATE_ENDPOINTS") == true)
    #expect(refusal("http://10.0.0.1/", allowPrivate: true) == nil)
    #expect(refusal("http://localhost/", allowPrivate: true) == nil)
    #expect(refusal("http://a:b@example.com/", allowPrivate: true)?.contains("user name") == true)
    #expect(refusal("ftp://example.com/", allowPrivate: true)?.contains("scheme") == true)
    #expect(refusal("http://exa mple.com/", allowPrivate: true) != nil)
    #expect(refusal("http://" + String(repeating: "a", count: 9000), allowPrivate: true) != nil)
  }

  @Test(
    "A request that could break out of its own message is refused",
    arguments: [
      ("GET", [("X-A", "1\r\nX-B: 2")]), ("GET", [("X-A\r\nX-B", "1")]), ("GET", [("X A", "1")]),
      ("GET", [("", "1")]), ("GET", [("X-A:", "1")]), ("GET", [("X-A", "1\u{0}")]),
      ("GET", [("Content-Length", "5")]), ("GET", [("Transfer-Encoding", "chunked")]),
      ("GET", [("Host", "other.example")]), ("GET", [("Expect", "100-continue")]),
      ("GET /x HTTP/1.1\r\nX:", []), ("", []), ("G T", []), ("CONNECT", []),
    ])
  func injection(method: String, headers: [(String, String)]) async throws {
    let server = try StandIn.answering()
    let outcome = await makeClient().send(
      ClientRequest(method: method, url: server.url(), headers: headers))
    #expect(outcome.notSent != nil)
    #expect(server.accepted == 0)
  }

  @Test("A Host header that repeats the URL's is taken and sent once")
  func host() async throws {
    let server = try StandIn.answering()
    let outcome = await makeClient().send(
      ClientRequest(url: server.url(), headers: [("host", "127.0.0.1:\(server.port)")]))
    #expect(outcome.response?.status == 200)
    #expect(server.requests.first?.head.lowercased().components(separatedBy: "host:").count == 2)
  }

  @Test(
    "Public addresses pass the wall",
    arguments: [
      "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
      "126.255.255.255",
      "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
      "192.167.255.255",
      "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1", "2a00::1",
      "240e::1", "2001:200::1", "64:ff9b::808:808",
    ])
  func publicAddress(text: String) throws {
    #expect(try #require(ClientAddress(literal: text)).forbiddenKind == nil)
  }

  @Test(
    "Special addresses do not, to the edges of their blocks",
    arguments: [
      "0.255.255.255", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0",
      "169.254.0.0",
      "169.254.255.255", "172.16.0.0", "172.31.255.255", "192.168.255.255", "198.19.255.255",
      "224.0.0.0", "239.255.255.255", "255.255.255.255", "::", "::1", "::ffff:8.8.8.8", "fbff::1",
      "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff00::1", "2002::1", "2001:db8:ffff::1",
      "2001:1ff::1", "3fff::1", "64:ff9b::a00:1", "64:ff9b:1::1", "4000::1", "1fff::1",
    ])
  func specialAddress(text: String) throws {
    #expect(try #require(ClientAddress(literal: text)).forbiddenKind != nil)
  }
}
