extension ConformanceCase {
  static let lengths: [ConformanceCase] = [
    .post("length", "Content-Length: 5\r\n", "hello", 200),
    .post("length with leading zeros", "Content-Length: 005\r\n", "hello", 200),
    .post("no body", "", "", 200),
    .post("plus", "Content-Length: +5\r\n", "hello", 400),
    .post("minus", "Content-Length: -5\r\n", "hello", 400),
    .post("underscore", "Content-Length: 5_0\r\n", "hello", 400),
    .post("hexadecimal", "Content-Length: 0x5\r\n", "hello", 400),
    .post("fraction", "Content-Length: 5.0\r\n", "hello", 400),
    .post("blank inside", "Content-Length: 5 5\r\n", "hello", 400),
    .post("vertical tab before", "Content-Length: \u{B}5\r\n", "hello", 400),
    .post("empty", "Content-Length:\r\n", "hello", 400),
    .post("letters", "Content-Length: five\r\n", "hello", 400),
    .post("Arabic digits", "Content-Length: ٥\r\n", "hello", 400),
    .post("list of equals", "Content-Length: 5, 5\r\n", "hello", 400),
    .post("two equal fields", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", 400),
    .post("two differing fields", "Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", 400),
    .post("overflow", "Content-Length: 99999999999999999999999\r\n", "hello", 400),
    .post("wraps round to 5", "Content-Length: 18446744073709551621\r\n", "hello", 400),
    .post("largest integer", "Content-Length: 9223372036854775807\r\n", "hello", 413),
    .post("one byte too large", "Content-Length: 1048577\r\n", "hello", 413),
    .post("torn body", "Content-Length: 6\r\n", "hello", 400),
    .post("length without a body", "Content-Length: 6\r\n", "", 400),
    .post("blank before the colon", "Content-Length : 5\r\n", "hello", 400),
    .post("folded length", "Content-Length:\r\n 5\r\n", "hello", 400),
  ]

  static let codings: [ConformanceCase] = [
    .post("chunked", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", 200),
    .post("chunked in capitals", "Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n", 200),
    .post(
      "chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
      "0\r\n\r\n", 400),
    .post(
      "length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
      "0\r\n\r\n", 400),
    .post(
      "chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      "0\r\n\r\n", 400),
    .post("chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n", 400),
    .post("identity", "Transfer-Encoding: identity\r\n", "", 400),
    .post("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", 400),
    .post("chunked, gzip", "Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n", 400),
    .post("chunked with a parameter", "Transfer-Encoding: chunked;a=b\r\n", "0\r\n\r\n", 400),
    .post("trailing comma", "Transfer-Encoding: chunked,\r\n", "0\r\n\r\n", 400),
    .post("quoted", "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n", 400),
    .post("xchunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", 400),
    .post("empty coding", "Transfer-Encoding:\r\n", "", 400),
    .post("vertical tab", "Transfer-Encoding: \u{B}chunked\r\n", "0\r\n\r\n", 400),
    .post("blank before colon", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n", 400),
    .post("folded coding", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n", 400),
    ConformanceCase(
      "chunked in HTTP/1.0",
      "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    .post(
      "content coding deflate", "Content-Encoding: deflate\r\nContent-Length: 1\r\n", "a", 415,
      closes: false),
    .post(
      "content coding br", "Content-Encoding: br\r\nContent-Length: 1\r\n", "a", 415,
      closes: false),
    .post(
      "content coding twice", "Content-Encoding: gzip, gzip\r\nContent-Length: 1\r\n", "a", 415,
      closes: false),
    .post(
      "content coding identity", "Content-Encoding: identity\r\nContent-Length: 1\r\n", "a",
      200),
  ]

  /// A chunked POST.
  private static func chunked(_ name: String, _ body: String, _ status: Int) -> ConformanceCase {
    .post(name, "Transfer-Encoding: chunked\r\n", body, status)
  }

  static let chunks: [ConformanceCase] = [
    chunked("upper-case size", "A\r\n0123456789\r\n0\r\n\r\n", 200),
    chunked("size with zeros", "005\r\nhello\r\n000\r\n\r\n", 200),
    chunked("extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", 200),
    chunked("quoted extension", "5;a=\"x;y\\\"\"\r\nhello\r\n0\r\n\r\n", 200),
    chunked("trailer", "0\r\nX: b\r\n\r\n", 200),
    chunked("no size", "\r\nhello\r\n0\r\n\r\n", 400),
    chunked("size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", 400),
    chunked("size with plus", "+5\r\nhello\r\n0\r\n\r\n", 400),
    chunked("size with minus", "-5\r\nhello\r\n0\r\n\r\n", 400),
    chunked("size with underscore", "5_0\r\nhello\r\n0\r\n\r\n", 400),
    chunked("leading blank", " 5\r\nhello\r\n0\r\n\r\n", 400),
    chunked("trailing blank", "5 \r\nhello\r\n0\r\n\r\n", 400),
    chunked("no hexadecimal", "5g\r\nhello\r\n0\r\n\r\n", 400),
    chunked("overflowing size", "FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n", 400),
    chunked("huge size", "7FFFFFFFFFFFFFF\r\nhello\r\n", 400),
    chunked("size ends in LF", "5\nhello\r\n0\r\n\r\n", 400),
    chunked("size ends in CR", "5\rhello\r\n0\r\n\r\n", 400),
    chunked("data longer than size", "4\r\nhello\r\n0\r\n\r\n", 400),
    chunked("data shorter than size", "6\r\nhello\r\n0\r\n\r\n", 400),
    chunked("data ends in LF", "5\r\nhello\n0\r\n\r\n", 400),
    chunked("data without an end", "5\r\nhello0\r\n\r\n", 400),
    chunked("empty extension", "5;\r\nhello\r\n0\r\n\r\n", 400),
    chunked("extension without semicolon", "5 a=b\r\nhello\r\n0\r\n\r\n", 400),
    chunked("LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    chunked("NUL in an extension", "5;a=\0\r\nhello\r\n0\r\n\r\n", 400),
    chunked("unclosed quote", "5;a=\"b\r\nhello\r\n0\r\n\r\n", 400),
    chunked("long extension", "5;\(String(repeating: "a", count: 300))\r\nhello\r\n0\r\n\r\n", 400),
    chunked(
      "many extensions",
      String(repeating: "1;\(String(repeating: "a", count: 200))\r\nx\r\n", count: 90)
        + "0\r\n\r\n", 400),
    chunked("last chunk ends in LF", "0\r\n\n", 400),
    chunked("torn chunk", "5\r\nhel", 400),
    chunked("no last chunk", "5\r\nhello\r\n", 400),
    chunked("trailer with a blank name", "0\r\nX : b\r\n\r\n", 400),
    chunked("folded trailer", "0\r\nX: b\r\n c\r\n\r\n", 400),
    chunked("trailer too large", "0\r\nX: \(String(repeating: "b", count: 40_000))\r\n\r\n", 431),
    chunked("too many trailers", "0\r\n\(String(repeating: "X: b\r\n", count: 101))\r\n", 431),
    ConformanceCase(
      "body over the route's limit",
      "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "B\r\nhello world\r\n0\r\n\r\n", 413),
  ]

  private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  static let others: [ConformanceCase] = [
    ConformanceCase("two requests", get + get, 200, 200, closes: false),
    ConformanceCase(
      "request after a body",
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + get, 200, 200,
      closes: false),
    ConformanceCase(
      "request after chunks",
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get,
      200, 200, closes: false),
    ConformanceCase(
      "nothing after a fault",
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + get,
      400),
    ConformanceCase(
      "nothing after close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + get, 200,
      closes: true),
    ConformanceCase(
      "close in a list", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n" + get, 200,
      closes: true),
    ConformanceCase("HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n" + get, 200, closes: true),
    ConformanceCase(
      "HTTP/1.0 stays when asked", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
      200, 200, closes: false),
    ConformanceCase(
      "a GET's body is no request",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \(get.utf8.count)\r\n\r\n" + get, 200,
      closes: false),
    ConformanceCase(
      "a missing path's body is no request",
      "GET /none HTTP/1.1\r\nHost: a\r\nContent-Length: \(get.utf8.count)\r\n\r\n" + get, 404,
      closes: false),
    ConformanceCase(
      "unwanted large body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", 413),
    ConformanceCase(
      "missing path with a large body",
      "GET /none HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n", 404, closes: true),
    ConformanceCase(
      "unknown expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417,
      closes: false),
    ConformanceCase(
      "expectation of a missing path",
      "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", 404,
      closes: true),
  ]
}
