/// A number as its JSON text. Comparison is exact, by the decimals the texts spell.
public struct JSONNumber: Sendable, Hashable, Comparable, CustomStringConvertible {
  /// The literal as it stood in the document; valid JSON.
  public let text: String

  /// `text` must be a valid JSON number literal within the scanner's limits.
  init(scanned text: String) { self.text = text }

  public init(_ value: Int) { text = String(value) }

  /// Nil for NaN and the infinities, which JSON cannot say.
  public init?(_ value: Double) {
    guard value.isFinite else { return nil }
    text =
      value == value.rounded() && abs(value) < 9_007_199_254_740_992
      ? String(Int64(value)) : "\(value)"
  }

  /// Nil unless the text is a JSON number within the scanner's default limits.
  public init?(_ text: String) {
    var cursor = JSONCursor(Array(text.utf8))
    guard let number = try? cursor.number(), number.text.utf8.count == text.utf8.count else {
      return nil
    }
    self = number
  }

  /// Whether there is no fraction, as in `3`, `3.0` and `3e2`.
  public var isInteger: Bool { decimal.isInteger }

  /// The exact integer, also for `1.0` and `1e3`; nil with a fraction or out of range.
  public var intValue: Int? { Int(text) ?? decimal.intValue }

  public var doubleValue: Double { Double(text) ?? .nan }
  public var description: String { text }

  /// One text for all spellings of a value: `1.50`, `15e-1` and `1.5` give `1.5`. Without exponent
  /// as long as that takes at most 21 digits before and 6 zeros after the point.
  public var canonicalText: String { decimal.text }

  public static func == (left: JSONNumber, right: JSONNumber) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8) || left.decimal == right.decimal
  }

  public static func < (left: JSONNumber, right: JSONNumber) -> Bool {
    left.decimal < right.decimal
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(decimal) }

  private var decimal: JSONDecimal { JSONDecimal(text) }
}

/// The exact value of a number literal: ±0.d₁d₂d₃… × 10^exponent, with d₁ and the last digit not 0.
struct JSONDecimal: Hashable, Comparable {
  var isNegative = false
  /// Significant digits as values 0…9; empty for zero.
  var digits: [UInt8] = []
  var exponent = 0

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
    if exponent <= 0, exponent > -6 {
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
