import FoundationEssentials

extension ObjectReader {
  /// An instant: RFC 3339 with an offset.
  public func instant(_ key: String, required: Bool = false) -> Date? {
    guard let value = value(key, required: required) else { return nil }
    guard case .string(let text) = value else {
      mismatch(key, value, expected: "An instant as a string")
      return nil
    }
    guard let date = Date(rfc3339: text) else {
      add(
        .invalidFormat, key,
        "An instant with an offset is expected here, such as 2026-11-20T10:00:00+08:00.")
      return nil
    }
    return date
  }

  /// A duration such as `"30s"`, `"10m"`, `"24h"`, `"7d"` or `"2w"`.
  public func duration(
    _ key: String, required: Bool = false, range: ClosedRange<TimeSpan>? = nil
  ) -> TimeSpan? {
    guard let value = value(key, required: required) else { return nil }
    guard case .string(let text) = value else {
      mismatch(key, value, expected: "A duration as a string")
      return nil
    }
    guard let span = TimeSpan(text) else {
      add(
        .invalidFormat, key,
        "A duration is expected here: a whole number and one of s, m, h, d, w, such as 30m.")
      return nil
    }
    if let range, !range.contains(span) {
      add(
        .outOfRange, key,
        "A duration from \(range.lowerBound) to \(range.upperBound) is expected here.")
      return nil
    }
    return span
  }
}
