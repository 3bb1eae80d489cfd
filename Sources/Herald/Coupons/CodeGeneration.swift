import Cryptography
import JSON

/// Codes that Herald makes up: how many, and of what form.
public struct CodeGeneration: Sendable, Equatable {
  public static let mostCodes = 1_000_000
  public let count: Int
  public let pattern: CodePattern

  /// Notes what is wrong in the reader's faults; does not finish it.
  init?(_ reader: ObjectReader) {
    let count = reader.int("count", required: true, range: 1...Self.mostCodes)
    let text = reader.string("pattern", required: true, minLength: 4, maxLength: 64)
    guard let text else { return nil }
    guard let pattern = CodePattern(text) else {
      reader.add(
        .invalidFormat, "pattern",
        "A pattern of 4 to 64 out of A-Z, 0-9, '-' and '#' is expected here; each '#' becomes a "
          + "random character.")
      return nil
    }
    guard pattern.places >= CodePattern.fewestPlaces else {
      reader.add(
        "guessable", "pattern",
        "Such codes can be guessed; use at least \(CodePattern.fewestPlaces) '#'.")
      return nil
    }
    guard let count else { return nil }
    guard pattern.resistsGuessing(count) else {
      reader.add(
        "guessable", "pattern",
        "With \(count) codes one guess in a thousand would hit; use more '#'.")
      return nil
    }
    self.count = count
    self.pattern = pattern
  }

  var json: JSONValue { ["count": .int(count), "pattern": .string(pattern.text)] }
}

/// `W26-########`: each `#` stands for a random character.
public struct CodePattern: Sendable, Equatable {
  public static let fewestPlaces = 6
  /// Without vowels, which would make words, and without 0, 1 and I, which look like others.
  static let alphabet = Array("23456789BCDFGHJKLMNPQRSTVWXYZ".utf8)

  public let text: String
  public let places: Int

  public init?(_ text: String) {
    let isValid = text.utf8.allSatisfy { byte in
      CouponCode.isCodeByte(byte) || byte == UInt8(ascii: "#")
    }
    guard 4...64 ~= text.utf8.count, isValid else { return nil }
    self.text = text
    places = text.utf8.count { $0 == UInt8(ascii: "#") }
  }

  /// At least a thousand possible codes for every one there is.
  func resistsGuessing(_ count: Int) -> Bool {
    var space = 1
    for _ in 0..<places {
      let (product, overflows) = space.multipliedReportingOverflow(by: Self.alphabet.count)
      if overflows { return true }
      space = product
    }
    return space / 1000 >= count
  }

  /// Codes at random, which need not all differ.
  func random(_ count: Int) -> [String] {
    var source = UnbiasedBytes(below: Self.alphabet.count)
    let template = Array(text.utf8)
    return (0..<max(count, 0)).map { _ in
      String(
        decoding: template.map { byte in
          byte == UInt8(ascii: "#") ? Self.alphabet[source.next()] : byte
        }, as: UTF8.self)
    }
  }
}

/// Numbers below a bound, each as likely as the others: bytes of the incomplete last round are
/// thrown away instead of folded.
private struct UnbiasedBytes {
  private let bound: Int
  private let limit: Int
  private var bytes: [UInt8] = []
  private var position = 0

  /// `bound` from 1 to 256.
  init(below bound: Int) {
    self.bound = bound
    limit = 256 / bound * bound
  }

  mutating func next() -> Int {
    while true {
      if position == bytes.count {
        bytes = randomBytes(4096)
        position = 0
      }
      let byte = Int(bytes[position])
      position += 1
      if byte < limit { return byte % bound }
    }
  }
}

/// A code's text.
public enum CouponCode {
  /// As stored: upper case, without white space. Nil for what can be no code.
  public static func normalised(_ text: String) -> String? {
    let code = text.unicodeScalars.filter { !$0.properties.isWhitespace }
      .map { scalar in
        "a"..."z" ~= scalar ? UInt8(scalar.value - 32) : UInt8(exactly: scalar.value) ?? 0
      }
    guard 4...64 ~= code.count, code.allSatisfy(isCodeByte) else { return nil }
    return String(decoding: code, as: UTF8.self)
  }

  static func isCodeByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
