import JSON
import Testing

@testable import HTTP

@Suite("Messages")
struct MessageTests {
  @Test("header names compare without case and keep their order")
  func headers() {
    var headers: HTTPHeaders = ["A": "1", "b": "2", "a": "3"]
    #expect(headers["a"] == "1")
    #expect(headers.values(for: "A") == ["1", "3"])
    headers.append("B", "4")
    headers.set("a", "5")
    #expect(headers.map(\.name) == ["A", "b", "B"])
    #expect(headers["A"] == "5")
    headers["B"] = nil
    #expect(headers.map(\.value) == ["5"])
    headers["C"] = "6"
    #expect(headers.contains("c"))
    #expect(!headers.contains("é"))
  }

  @Test("a problem has every member of RFC 9457 and ours")
  func problem() throws {
    let response = Response.problem(
      422, code: "invalid_body", detail: "Give a name.", pointer: "/name",
      errors: [Problem.Place(pointer: "/name", code: "missing", detail: "Give a name.")],
      requestID: "r-1")
    #expect(response.status == 422)
    #expect(response.headers["content-type"] == "application/problem+json")
    guard case .bytes(let bytes) = response.body else {
      Issue.record("no body")
      return
    }
    #expect(
      String(decoding: bytes, as: UTF8.self)
        == #"{"type":"about:blank","title":"Unprocessable Content","status":422,"#
        + #""detail":"Give a name.","code":"invalid_body","message":"Give a name.","#
        + #""pointer":"/name","errors":[{"pointer":"/name","code":"missing","#
        + #""detail":"Give a name."}],"request_id":"r-1"}"#)
  }

  @Test("a response's fields cannot break out of their line or replace the framing")
  func encoding() {
    let response = Response(
      status: 200,
      headers: [
        "X-A": "b\r\nX-Evil: c\0", "Bad Name": "d", "": "e", "Content-Length": "999",
        "transfer-encoding": "chunked", "Date": "never", "connection": "keep-alive",
        "x-request-id": "forged",
      ])
    let frame = ResponseEncoder.Frame(
      framing: .length(0), closes: false, isHTTP10: false, requestID: "id",
      allowsAnyOrigin: false)
    var out: [UInt8] = []
    ResponseEncoder.writeHead(response, frame, date: Array("D".utf8), to: &out)
    #expect(
      String(decoding: out, as: UTF8.self)
        == "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 0\r\nX-Request-Id: id\r\n"
        + "X-A: b  X-Evil: c \r\n\r\n")
  }

  @Test("the Date field is an IMF-fixdate")
  func date() {
    #expect(DateField.text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    #expect(DateField.text(1_709_164_800) == "Thu, 29 Feb 2024 00:00:00 GMT")
  }

  @Test(
    "request ids are letters, digits, dots, dashes and underscores, at most 128",
    arguments: [
      ("a", true), ("A-1_b.c", true), ("", false), ("a b", false), ("é", false), ("a\"", false),
      (String(repeating: "a", count: 128), true), (String(repeating: "a", count: 129), false),
    ])
  func requestIDs(_ text: String, _ accepted: Bool) {
    #expect(RequestIdentifier.isWellFormed(text) == accepted)
  }

  @Test("generated request ids are distinct version 4 UUIDs")
  func generatedIDs() throws {
    var identifiers = RequestIdentifier()
    let ids = (0..<10_000).map { _ in identifiers.next() }
    #expect(Set(ids).count == ids.count)
    let form = try Regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    for id in ids.prefix(100) { #expect(id.wholeMatch(of: form) != nil) }
  }

  @Test("the query is decoded in order, with plus as space")
  func query() throws {
    var parser = RequestParser()
    parser.feed(Array("GET /p%20q?a=1&b=x+y%26&a=2&&c&=d HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
    guard case .head(let head)? = try parser.next() else {
      Issue.record("no head")
      return
    }
    #expect(head.path == "/p%20q")
    #expect(head.query.map(\.name) == ["a", "b", "a", "c", ""])
    #expect(head.query.map(\.value) == ["1", "x y&", "2", "", "d"])
    let request = Request(query: head.query)
    #expect(request.query("a") == "1")
    #expect(request.queryValues("a") == ["1", "2"])
    #expect(request.query("z") == nil)
  }

  @Test("the authority of an absolute target takes the place of Host")
  func absoluteForm() throws {
    var parser = RequestParser()
    parser.feed(Array("GET http://b.example:81/x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
    guard case .head(let head)? = try parser.next() else {
      Issue.record("no head")
      return
    }
    #expect(head.headers.values(for: "host") == ["b.example:81"])
    #expect(head.path == "/x")
  }

  @Test("field values that are no UTF-8 are read as Latin-1")
  func latin1() throws {
    var parser = RequestParser()
    parser.feed(Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0xE9] + Array("\r\n\r\n".utf8))
    guard case .head(let head)? = try parser.next() else {
      Issue.record("no head")
      return
    }
    #expect(head.headers["X"] == "é")
  }
}
