/// Request ids: the client's when it is well-formed, else version 4 UUIDs.
///
/// Ids tell requests apart and are no secrets, so a fast generator seeded by the system does.
struct RequestIdentifier {
  private var state: (UInt64, UInt64)
  private static let hex = Array("0123456789abcdef".utf8)

  init() {
    var system = SystemRandomNumberGenerator()
    state = (system.next() | 1, system.next())
  }

  /// `[A-Za-z0-9._-]{1,128}`
  static func isWellFormed(_ text: String) -> Bool {
    let bytes = text.utf8
    guard (1...128).contains(bytes.count) else { return false }
    return bytes.allSatisfy {
      ASCII.isLetter($0) || ASCII.isDigit($0) || $0 == UInt8(ascii: ".")
        || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
    }
  }

  mutating func next() -> String {
    let high = word() & ~0xF000 | 0x4000
    let low = word() & ~(3 << 62) | 2 << 62
    return String(unsafeUninitializedCapacity: 36) { buffer in
      var position = 0
      for digit in 0..<32 {
        if digit == 8 || digit == 12 || digit == 16 || digit == 20 {
          buffer[position] = UInt8(ascii: "-")
          position += 1
        }
        let half = digit < 16 ? high : low
        buffer[position] = Self.hex[Int(half >> (60 - 4 * UInt64(digit & 15)) & 15)]
        position += 1
      }
      return position
    }
  }

  /// xoroshiro128+
  private mutating func word() -> UInt64 {
    func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
      value << count | value >> (64 - count)
    }
    let (first, second) = state
    let mixed = first ^ second
    state = (rotate(first, 24) ^ mixed ^ (mixed << 16), rotate(mixed, 37))
    return first &+ second
  }
}
