extension JSONCursor {
  /// Passes a number whose first byte is the next one; the range of its text.
  mutating func scanNumber() throws(JSONFault) -> Range<Int> {
    let start = offset
    var index = start
    if bytes[index] == UInt8(ascii: "-") { index += 1 }
    let whole = digits(at: &index)
    guard whole > 0 else {
      throw fault(.invalidJSON, "A digit is expected here", at: index)
    }
    if whole > 1, bytes[index - whole] == UInt8(ascii: "0") {
      throw fault(.invalidJSON, "A number may not begin with a zero", at: index - whole)
    }
    var fraction = 0
    if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
      index += 1
      fraction = digits(at: &index)
      guard fraction > 0 else {
        throw fault(.invalidJSON, "A digit is expected after the point", at: index)
      }
    }
    guard whole + fraction <= limits.digits else {
      throw fault(.outOfRange, "A number may have at most \(limits.digits) digits", at: start)
    }
    let exponent = try scanExponent(at: &index)
    guard -limits.exponent - 20...limits.exponent ~= exponent else {
      throw fault(.outOfRange, "This number is too large or too small", at: start)
    }
    // 5e-324 is a Double; what would be rounded to zero is none, and PostgreSQL refuses it.
    if exponent < -250 {
      let mantissa = bytes[start..<index].prefix { $0 | 0x20 != UInt8(ascii: "e") }
      let isZero = !mantissa.contains { UInt8(ascii: "1")...UInt8(ascii: "9") ~= $0 }
      if !isZero, Double(String(decoding: bytes[start..<index], as: UTF8.self))?.isZero != false {
        throw fault(.outOfRange, "This number is too small", at: start)
      }
    }
    // 1e308 is a Double, 99e308 and 9e308 are not.
    if exponent + whole > 300,
      Double(String(decoding: bytes[start..<index], as: UTF8.self))?.isFinite != true
    {
      throw fault(.outOfRange, "This number is too large", at: start)
    }
    offset = index
    return start..<index
  }

  /// The exponent's value, 0 without one; saturates far beyond every limit.
  private func scanExponent(at index: inout Int) throws(JSONFault) -> Int {
    guard index < bytes.count, bytes[index] | 0x20 == UInt8(ascii: "e") else { return 0 }
    index += 1
    var isNegative = false
    if index < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[index]) {
      isNegative = bytes[index] == UInt8(ascii: "-")
      index += 1
    }
    let count = digits(at: &index)
    guard count > 0 else {
      throw fault(.invalidJSON, "A digit is expected in the exponent", at: index)
    }
    var exponent = 0
    for digit in bytes[index - count..<index] {
      exponent = min(exponent * 10 + Int(digit - UInt8(ascii: "0")), 1_000_000)
    }
    return isNegative ? -exponent : exponent
  }

  private func digits(at index: inout Int) -> Int {
    let start = index
    while index < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[index] { index += 1 }
    return index - start
  }
}
