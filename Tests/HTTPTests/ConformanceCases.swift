/// A request and what must become of it: the statuses of all final answers in order, and whether
/// the server closes before the client does.
struct ConformanceCase: Sendable, CustomTestStringConvertible {
  var name: String
  var request: [UInt8]
  var statuses: [Int]
  var closes: Bool

  var testDescription: String { name }

  init(_ name: String, _ request: String, _ statuses: Int..., closes: Bool? = nil) {
    self.name = name
    self.request = Array(request.utf8)
    self.statuses = statuses
    self.closes = closes ?? ((statuses.last ?? 0) >= 400)
  }

  /// A GET whose fields are `fields`, each with its line end.
  static func get(_ name: String, _ fields: String, _ status: Int) -> ConformanceCase {
    ConformanceCase(name, "GET / HTTP/1.1\r\n\(fields)\r\n", status)
  }

  /// A POST to /echo with a good Host, more `fields`, and a body.
  static func post(
    _ name: String, _ fields: String, _ body: String, _ status: Int, closes: Bool? = nil
  ) -> ConformanceCase {
    ConformanceCase(
      name, "POST /echo HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\(body)", status, closes: closes)
  }

  /// A request line with a good header.
  static func line(_ name: String, _ line: String, _ status: Int) -> ConformanceCase {
    ConformanceCase(name, "\(line)\r\nHost: a\r\n\r\n", status)
  }

  static let all = requestLines + targets + fields + hosts + lengths + codings + chunks + others
}

import Testing

extension ConformanceCase {
  static let requestLines: [ConformanceCase] = [
    .line("plain GET", "GET / HTTP/1.1", 200),
    .line("two spaces before the target", "GET  / HTTP/1.1", 400),
    .line("two spaces before the version", "GET /  HTTP/1.1", 400),
    .line("tab as separator", "GET\t/\tHTTP/1.1", 400),
    .line("leading space", " GET / HTTP/1.1", 400),
    .line("trailing space", "GET / HTTP/1.1 ", 400),
    .line("no version", "GET /", 400),
    .line("no target", "GET HTTP/1.1", 400),
    .line("method only", "GET", 400),
    .line("space in the target", "GET /a b HTTP/1.1", 400),
    .line("lower-case version", "GET / http/1.1", 400),
    .line("version without a minor", "GET / HTTP/1", 400),
    .line("version with more digits", "GET / HTTP/1.10", 400),
    .line("version with a letter", "GET / HTTP/1.x", 400),
    .line("other protocol", "GET / ICY/1.1", 400),
    .line("HTTP/2.0", "GET / HTTP/2.0", 505),
    .line("HTTP/1.2", "GET / HTTP/1.2", 505),
    .line("HTTP/0.9", "GET / HTTP/0.9", 505),
    ConformanceCase("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    .line("unknown method", "BREW / HTTP/1.1", 501),
    .line("lower-case method", "get / HTTP/1.1", 501),
    ConformanceCase("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, closes: false),
    ConformanceCase("QUERY", "QUERY / HTTP/1.1\r\nHost: a\r\n\r\n", 405, closes: false),
    .line("CONNECT", "CONNECT a:443 HTTP/1.1", 400),
    .line("long method", String(repeating: "A", count: 100) + " / HTTP/1.1", 501),
    .line("method that is no token", "G(T / HTTP/1.1", 400),
    ConformanceCase("bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400),
    ConformanceCase("bare CR", "GET / HTTP/1.1\rHost: a\r\r", 400),
    ConformanceCase("CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    ConformanceCase("NUL in the line", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ConformanceCase("TLS hello", "\u{16}\u{3}\u{1}\u{2}\0\u{1}", 400),
    ConformanceCase("empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ConformanceCase("too many empty lines", String(repeating: "\r\n", count: 9), 400),
    ConformanceCase("empty LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ConformanceCase(
      "overlong target", "GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: a\r\n\r\n",
      414),
    ConformanceCase("endless line", String(repeating: "A", count: 9000), 414),
    ConformanceCase("torn request line", "GET / HT", 400),
    ConformanceCase("torn header", "GET / HTTP/1.1\r\nHost: a\r\n", 400),
    ConformanceCase("nothing at all", "", closes: false),
  ]

  static let targets: [ConformanceCase] = [
    .line("absolute form", "GET http://example.com/healthz HTTP/1.1", 200),
    .line("absolute form without path", "GET http://example.com HTTP/1.1", 200),
    .line("absolute form with a query only", "GET http://example.com?a=b HTTP/1.1", 200),
    .line("absolute form, upper-case scheme", "GET HTTP://example.com/ HTTP/1.1", 200),
    .line("absolute form with user information", "GET http://u@example.com/ HTTP/1.1", 400),
    .line("absolute form without host", "GET http:/// HTTP/1.1", 400),
    .line("other scheme", "GET ftp://example.com/ HTTP/1.1", 400),
    .line("authority form", "GET example.com:80 HTTP/1.1", 400),
    .line("relative path", "GET healthz HTTP/1.1", 400),
    .line("asterisk with GET", "GET * HTTP/1.1", 400),
    .line("asterisk with OPTIONS", "OPTIONS * HTTP/1.1", 204),
    .line("fragment", "GET /#a HTTP/1.1", 400),
    .line("non-ASCII", "GET /é HTTP/1.1", 400),
    .line("DEL", "GET /\u{7F} HTTP/1.1", 400),
    .line("broken escape", "GET /%zz HTTP/1.1", 400),
    .line("torn escape", "GET /% HTTP/1.1", 400),
    .line("escaped NUL", "GET /items/%00 HTTP/1.1", 400),
    .line("escape that is no UTF-8", "GET /items/%ff HTTP/1.1", 400),
    .line("broken escape in the query", "GET /?a=%z HTTP/1.1", 400),
    .line("escaped segment", "GET /items/%E4%B8%AD HTTP/1.1", 200),
    .line("question mark only", "GET /? HTTP/1.1", 200),
    ConformanceCase(
      "not found keeps the connection", "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 404,
      closes: false),
    ConformanceCase(
      "wrong method keeps the connection", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n", 405,
      closes: false),
  ]

  static let fields: [ConformanceCase] = [
    .get("blanks around the value", "Host: \t a \t\r\n", 200),
    .get("no blank before the value", "Host:a\r\n", 200),
    .get("empty value", "Host: a\r\nX:\r\n", 200),
    .get("space before the colon", "Host : a\r\n", 400),
    .get("tab before the colon", "Host: a\r\nX\t: b\r\n", 400),
    .get("no colon", "Host: a\r\nX\r\n", 400),
    .get("empty name", "Host: a\r\n: b\r\n", 400),
    .get("space in the name", "Host: a\r\nX Y: b\r\n", 400),
    .get("parenthesis in the name", "Host: a\r\nX(: b\r\n", 400),
    .get("non-ASCII name", "Host: a\r\nXé: b\r\n", 400),
    .get("folded with a space", "Host: a\r\nX: b\r\n c\r\n", 400),
    .get("folded with a tab", "Host: a\r\nX: b\r\n\tc\r\n", 400),
    .get("first line folded", " X: b\r\nHost: a\r\n", 400),
    .get("blank line with a space", "Host: a\r\n \r\n", 400),
    .get("NUL in the value", "Host: a\r\nX: b\0c\r\n", 400),
    .get("bell in the value", "Host: a\r\nX: b\u{7}c\r\n", 400),
    .get("bare CR in the value", "Host: a\r\nX: b\rc\r\n", 400),
    .get("bare LF in the value", "Host: a\r\nX: b\nc\r\n", 400),
    .get("bare LF line end", "Host: a\nX: b\r\n", 400),
    .get("DEL in the value", "Host: a\r\nX: \u{7F}\r\n", 400),
    .get("obs-text in the value", "Host: a\r\nX: é\r\n", 200),
    .get("one field too large", "Host: a\r\nX: \(String(repeating: "b", count: 40_000))\r\n", 431),
    .get("endless name", "Host: a\r\n\(String(repeating: "b", count: 40_000))", 431),
    .get(
      "fields too large together",
      "Host: a\r\n" + String(repeating: "X: \(String(repeating: "b", count: 990))\r\n", count: 40),
      431),
    .get("too many fields", "Host: a\r\n" + String(repeating: "X: b\r\n", count: 100), 431),
    .get(
      "as many fields as allowed", "Host: a\r\n" + String(repeating: "X: b\r\n", count: 99), 200),
  ]

  static let hosts: [ConformanceCase] = [
    .get("no Host", "X: a\r\n", 400),
    .get("two Hosts", "Host: a\r\nHost: a\r\n", 400),
    .get("empty Host", "Host:\r\n", 400),
    .get("Host list", "Host: a, b\r\n", 400),
    .get("Host with a path", "Host: a/b\r\n", 400),
    .get("Host with user information", "Host: u@a\r\n", 400),
    .get("Host with a space", "Host: a b\r\n", 400),
    .get("Host with a port", "Host: a:8080\r\n", 200),
    .get("Host with an empty port", "Host: a:\r\n", 200),
    .get("Host with a large port", "Host: a:65536\r\n", 400),
    .get("Host with a word as port", "Host: a:b\r\n", 400),
    .get("IPv6 Host", "Host: [::1]:80\r\n", 200),
    .get("unclosed IPv6 Host", "Host: [::1\r\n", 400),
    .get("bad IPv6 Host", "Host: [1.2.3.4]\r\n", 400),
    .get("future literal", "Host: [v1.a:b]\r\n", 200),
    .get("escaped Host", "Host: a%20b\r\n", 200),
    .get("Host with a broken escape", "Host: a%2\r\n", 400),
    ConformanceCase("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200, closes: true),
    ConformanceCase(
      "HTTP/1.0 with two Hosts", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ConformanceCase(
      "absolute form without Host", "GET http://a/ HTTP/1.1\r\n\r\n", 400),
  ]
}
