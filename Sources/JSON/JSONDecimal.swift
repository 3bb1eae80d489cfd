/// The exact value of a number literal: ±0.d₁d₂d₃… × 10^exponent, with d₁ and the last digit not 0.
struct JSONDecimal: Hashable, Comparable {
  var isNegative = false
  /// Significant digits as values 0…9; empty for zero.
  var digits: [UInt8] = []
  var exponent = 0

  init() {}

  /// `text` must be a valid JSON number literal.
  init(_ text: String) {
    var seenPoint = false
    var written = 0
    var exponentText: Substring.UTF8View?
    for (index, byte) in zip(text.utf8.indices, text.utf8) {
      switch byte {
      case UInt8(ascii: "-"): isNegative = true
      case UInt8(ascii: "."): seenPoint = true
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if !digits.isEmpty || byte != UInt8(ascii: "0") {
          digits.append(byte - UInt8(ascii: "0"))
          if !seenPoint { exponent += 1 }
        } else if seenPoint {
          written -= 1
        }
      default: exponentText = text[text.utf8.index(after: index)...].utf8
      }
      if exponentText != nil { break }
    }
    exponent += written
    if let exponentText { exponent += Int(Substring(exponentText)) ?? 0 }
    while digits.last == 0 { digits.removeLast() }
    if digits.isEmpty {
      isNegative = false
      exponent = 0
    }
  }

  var isInteger: Bool { exponent >= digits.count }

  var intValue: Int? {
    guard isInteger, exponent <= 19 else { return nil }
    var value = 0
    for place in 0..<exponent {
      let digit = place < digits.count ? Int(digits[place]) : 0
      let (product, first) = value.multipliedReportingOverflow(by: 10)
      let (sum, second) =
        isNegative
        ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
      if first || second { return nil }
      value = sum
    }
    return value
  }

  var text: String {
    let marks = digits.map { UInt8(ascii: "0") + $0 }
    func string(_ part: some Sequence<UInt8>) -> String {
      String(decoding: Array(part), as: UTF8.self)
    }
    let sign = isNegative ? "-" : ""
    if digits.isEmpty { return "0" }
    if exponent >= digits.count, exponent <= 21 {
      return sign + string(marks) + String(repeating: "0", count: exponent - digits.count)
    }
    if exponent > 0, exponent <= 21 {
      return sign + string(marks[..<exponent]) + "." + string(marks[exponent...])
    }
    if exponent <= 0, exponent > -6, digits.count - exponent < 40 {
      return sign + "0." + String(repeating: "0", count: -exponent) + string(marks)
    }
    let rest = marks.count > 1 ? "." + string(marks.dropFirst()) : ""
    return sign + string(marks.prefix(1)) + rest + "e\(exponent - 1)"
  }

  static func < (left: JSONDecimal, right: JSONDecimal) -> Bool {
    if left.isNegative != right.isNegative { return left.isNegative }
    let (small, large) = left.isNegative ? (right, left) : (left, right)
    if small.digits.isEmpty || large.digits.isEmpty { return !large.digits.isEmpty }
    if small.exponent != large.exponent { return small.exponent < large.exponent }
    return small.digits.lexicographicallyPrecedes(large.digits)
  }
}

extension JSONDecimal {
  static func + (left: JSONDecimal, right: JSONDecimal) -> JSONDecimal {
    if left.digits.isEmpty { return right }
    if right.digits.isEmpty { return left }
    let top = max(left.exponent, right.exponent) + 1
    let bottom = min(left.exponent - left.digits.count, right.exponent - right.digits.count)
    // Scanned numbers reach from 10^-350 to 10^309, so this is some 700 digits at most.
    let a = left.aligned(top: top, bottom: bottom)
    let b = right.aligned(top: top, bottom: bottom)
    let sameSign = left.isNegative == right.isNegative
    let swap = !sameSign && a.lexicographicallyPrecedes(b)
    let (large, small) = swap ? (b, a) : (a, b)
    var sum = JSONDecimal()
    sum.isNegative = swap ? right.isNegative : left.isNegative
    sum.exponent = top
    sum.digits = combine(large, small, adding: sameSign)
    sum.normalise()
    return sum
  }

  /// All digits from 10^(top − 1) down to 10^bottom.
  private func aligned(top: Int, bottom: Int) -> [Int8] {
    [Int8](repeating: 0, count: top - exponent) + digits.map { Int8($0) }
      + [Int8](repeating: 0, count: exponent - digits.count - bottom)
  }

  /// Digit by digit; the first must be the larger one when subtracting, with room for a carry.
  private static func combine(_ large: [Int8], _ small: [Int8], adding: Bool) -> [UInt8] {
    var out = [UInt8](repeating: 0, count: large.count)
    var carry: Int8 = 0
    for place in large.indices.reversed() {
      var digit = adding ? large[place] + small[place] : large[place] - small[place]
      digit += carry
      carry = digit > 9 ? 1 : digit < 0 ? -1 : 0
      out[place] = UInt8(digit - carry * 10)
    }
    return out
  }

  private mutating func normalise() {
    let zeros = digits.prefix { $0 == 0 }.count
    digits.removeFirst(zeros)
    exponent -= zeros
    while digits.last == 0 { digits.removeLast() }
    if digits.isEmpty { self = JSONDecimal() }
  }
}
