@testable import HTTP

/// Damages kept requests in the ways that take parsers apart; the same seed gives the same
/// sequence.
struct RequestMutator {
  private var state: UInt64
  private let corpus = ConformanceCase.all.map(\.request).filter { $0.count < 2_000 }

  private static let words: [[UInt8]] = [
    "\r\n", "\r", "\n", "\0", " ", "\t", ":", ",", ";", "=", "%", "%00", "%2f", "?", "#", "*",
    "\u{B}", "\u{7F}", "é", "0", "5", "+5", "-1", "0x", "FFFFFFFF", "99999999999999999999",
    "\r\n\r\n", "\r\n ", " HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "GET / HTTP/1.1\r\n", "POST /echo ",
    "Host: a\r\n", "Host: b\r\n", "Content-Length: 5\r\n", "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Connection: close\r\n",
    "Connection: keep-alive\r\n", "Expect: 100-continue\r\n", "Content-Encoding: deflate\r\n",
    "5\r\nhello\r\n", "0\r\n\r\n", "chunked", "http://", "[::1]", "OPTIONS", "HEAD",
  ].map { Array($0.utf8) }

  init(seed: UInt64) { state = seed }

  /// SplitMix64
  private mutating func random() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private mutating func below(_ bound: Int) -> Int { Int(random() % UInt64(max(1, bound))) }

  /// One to four damages to one or two kept requests.
  mutating func next() -> [UInt8] {
    var bytes = corpus[below(corpus.count)]
    if below(3) == 0 { bytes += corpus[below(corpus.count)] }
    for _ in 0...below(4) { damage(&bytes) }
    return bytes
  }

  private mutating func damage(_ bytes: inout [UInt8]) {
    let place = below(bytes.count + 1)
    guard place < bytes.count else { return bytes += Self.words[below(Self.words.count)] }
    let end = min(bytes.count, place + 1 + below(8))
    switch below(8) {
    case 0: bytes[place] ^= 1 << UInt8(below(8))
    case 1: bytes[place] = UInt8(below(256))
    case 2: bytes.removeSubrange(place..<end)
    case 3: bytes.insert(contentsOf: bytes[place..<end], at: place)
    case 4, 5: bytes.insert(contentsOf: Self.words[below(Self.words.count)], at: place)
    case 6: bytes.replaceSubrange(place..<end, with: Self.words[below(Self.words.count)])
    default: repeatLine(&bytes, at: place)
    }
  }

  /// Sends the line at `place` a second time, or drops it, or cuts everything after it.
  private mutating func repeatLine(_ bytes: inout [UInt8], at place: Int) {
    let start = bytes[..<place].lastIndex(of: 10).map { $0 + 1 } ?? 0
    let end = bytes[place...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.count
    switch below(4) {
    case 0: bytes.removeSubrange(start..<end)
    case 1: bytes.removeSubrange(end...)
    default: bytes.insert(contentsOf: bytes[start..<end], at: end)
    }
  }

  /// The bytes in pieces of one byte, or when there are many, of up to 40.
  mutating func cut(_ bytes: [UInt8]) -> [[UInt8]] {
    guard bytes.count > 300 || below(4) == 0 else { return bytes.map { [$0] } }
    var pieces: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + 1 + below(40))
      pieces.append(Array(bytes[start..<end]))
      start = end
    }
    return pieces
  }
}
