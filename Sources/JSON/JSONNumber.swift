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

  /// The exact sum, as canonical text; it may have more digits than the scanner would take.
  public static func + (left: JSONNumber, right: JSONNumber) -> JSONNumber {
    JSONNumber(scanned: (left.decimal + right.decimal).text)
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(decimal) }

  private var decimal: JSONDecimal { JSONDecimal(text) }
}
