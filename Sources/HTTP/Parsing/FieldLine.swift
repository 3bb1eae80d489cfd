/// Field lines and the numbers in them, RFC 9112 section 5.
enum FieldLine {
  /// The length of the name: at least one token byte, directly followed by a colon. A line that
  /// starts with a blank is an obsolete folding and refused with the rest.
  static func nameLength(_ line: Span<UInt8>) throws(HTTPFault) -> Int {
    var index = 0
    while index < line.count, ASCII.isToken(line[index]) { index += 1 }
    guard index > 0, index < line.count, line[index] == UInt8(ascii: ":") else { throw .badField }
    return index
  }

  /// `1*DIGIT`; nil for anything else and when it does not fit.
  static func decimal(_ text: Span<UInt8>) -> Int? {
    guard !text.isEmpty else { return nil }
    var value = 0
    for index in 0..<text.count {
      guard ASCII.isDigit(text[index]) else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(text[index] &- UInt8(ascii: "0")))
      guard !overflow, !carry else { return nil }
      value = sum
    }
    return value
  }
}
