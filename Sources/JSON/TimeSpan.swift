/// A length of time in whole seconds, written `30s`, `10m`, `24h`, `7d` or `2w`. A day is always
/// 24 hours. Never negative, and at most a hundred years, so that adding one to a date is safe.
public struct TimeSpan: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let seconds: Int

  public static let maximum = TimeSpan(unchecked: 36_525 * 86_400)

  /// Every length but none at all.
  public static let positive = TimeSpan(unchecked: 1)...maximum

  private init(unchecked seconds: Int) { self.seconds = seconds }

  /// Nil when negative or over `maximum`.
  public init?(seconds: Int) {
    guard 0...Self.maximum.seconds ~= seconds else { return nil }
    self.seconds = seconds
  }

  /// Nil unless the text is digits and one unit, and the length at most `maximum`.
  public init?(_ text: String) {
    guard let unit = text.utf8.last, let scale = Self.scale(of: unit) else { return nil }
    let digits = text.utf8.dropLast()
    guard 1...11 ~= digits.count else { return nil }
    var count = 0
    for digit in digits {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit else { return nil }
      count = count * 10 + Int(digit - UInt8(ascii: "0"))
    }
    let (seconds, overflows) = count.multipliedReportingOverflow(by: scale)
    guard !overflows else { return nil }
    self.init(seconds: seconds)
  }

  private static func scale(of unit: UInt8) -> Int? {
    switch unit {
    case UInt8(ascii: "s"): 1
    case UInt8(ascii: "m"): 60
    case UInt8(ascii: "h"): 3600
    case UInt8(ascii: "d"): 86_400
    case UInt8(ascii: "w"): 604_800
    default: nil
    }
  }

  public var duration: Duration { .seconds(seconds) }

  /// The same length always reads the same: the largest unit of d, h, m, s that divides it.
  public var description: String {
    for (scale, unit) in [(86_400, "d"), (3600, "h"), (60, "m")]
    where seconds > 0 && seconds % scale == 0 {
      return "\(seconds / scale)\(unit)"
    }
    return "\(seconds)s"
  }

  public static func < (left: TimeSpan, right: TimeSpan) -> Bool { left.seconds < right.seconds }
}
