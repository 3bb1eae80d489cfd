import Testing

@testable import HTTP

@Suite("Inflation")
struct InflaterTests {
  private let text = Array(String(repeating: "herald ", count: 40_000).utf8)

  @Test("a body comes out as it went in")
  func whole() throws {
    #expect(try Inflater.inflate(gzip(text), limit: text.count) == text)
    #expect(try Inflater.inflate(gzip([]), limit: 0) == [])
  }

  @Test("several members are one body")
  func members() throws {
    #expect(try Inflater.inflate(gzip([1, 2]) + gzip([]) + gzip([3]), limit: 3) == [1, 2, 3])
  }

  @Test("it does not matter how the input is cut")
  func pieces() throws {
    let inflater = try Inflater(limit: text.count)
    var out: [UInt8] = []
    for byte in gzip(text) {
      inflater.push([byte])
      while let piece = try inflater.pull() { out += piece }
    }
    try inflater.finish()
    #expect(out == text)
  }

  @Test("one byte over the limit is a 413, found before the rest is inflated")
  func bomb() {
    #expect(throws: HTTPFault.bodyTooLarge) {
      try Inflater.inflate(gzip(text), limit: text.count - 1)
    }
    let bomb = gzip([UInt8](repeating: 0, count: 50_000_000))
    #expect(bomb.count < 60_000)
    #expect(throws: HTTPFault.bodyTooLarge) { try Inflater.inflate(bomb, limit: 100_000) }
  }

  @Test("a torn, damaged or padded stream is a 400")
  func damaged() {
    let good = gzip(text)
    #expect(throws: HTTPFault.badCompression) {
      try Inflater.inflate(Array(good.dropLast()), limit: text.count)
    }
    #expect(throws: HTTPFault.badCompression) {
      try Inflater.inflate(good + [1, 2, 3], limit: text.count)
    }
    #expect(throws: HTTPFault.badCompression) { try Inflater.inflate([1, 2, 3], limit: 10) }
    #expect(throws: HTTPFault.badCompression) { try Inflater.inflate([], limit: 10) }
    var wrong = good
    wrong[good.count - 6] ^= 1
    #expect(throws: HTTPFault.badCompression) { try Inflater.inflate(wrong, limit: text.count) }
  }
}
