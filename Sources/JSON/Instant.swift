import FoundationEssentials

extension Date {
  /// An instant of RFC 3339 with its offset: `2026-11-20T10:00:00.5+08:00`.
  ///
  /// Nil for anything else, such as a missing offset, a day that does not exist, the year 0000 or
  /// PostgreSQL's `infinity`. A leap second (23:59:60 UTC) is read as the second that follows it.
  /// Digits beyond the nanosecond are ignored.
  public init?(rfc3339 text: String) {
    guard let instant = Array(text.utf8).withUnsafeBufferPointer(InstantText.parse) else {
      return nil
    }
    self.init(
      timeIntervalSinceReferenceDate: Double(instant.seconds - CivilDay.secondsTo2001)
        + Double(instant.nanoseconds) / 1_000_000_000)
  }

  /// UTC with milliseconds, `2026-01-01T00:00:00.000Z`, rounded to the nearest; years outside
  /// 0001…9999 are clamped.
  public var rfc3339: String {
    let range = CivilDay.millisecondsOfRFC3339
    let exact = ((timeIntervalSinceReferenceDate + Double(CivilDay.secondsTo2001)) * 1000).rounded()
    let clamped = min(max(exact, Double(range.lowerBound)), Double(range.upperBound))
    let milliseconds = Int(exactly: clamped) ?? 0
    let seconds = Int((Double(milliseconds) / 1000).rounded(.down))
    return InstantText.format(seconds: seconds, milliseconds: milliseconds - seconds * 1000)
  }
}

/// Reads and writes the text of instants without a calendar object: ingestion reads one per event.
enum InstantText {
  struct Instant {
    /// Since 1970 in UTC.
    var seconds: Int
    var nanoseconds: Int
  }

  static func parse(_ text: UnsafeBufferPointer<UInt8>) -> Instant? {
    var reader = Reader(text: text)
    guard 20...64 ~= text.count,
      let year = reader.digits(4), reader.pass("-"), let month = reader.digits(2),
      reader.pass("-"), let day = reader.digits(2), reader.pass("T"),
      let hour = reader.digits(2), reader.pass(":"), let minute = reader.digits(2),
      reader.pass(":"), let second = reader.digits(2),
      let nanoseconds = reader.fraction(), let offset = reader.zone(), reader.isAtEnd,
      let date = CivilDay(year: year, month: month, day: day),
      hour < 24, minute < 60, second <= 60
    else { return nil }
    let seconds = date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + second - offset
    // A leap second is the last of a UTC day, so what follows it is midnight.
    if second == 60, seconds % 86_400 != 0 { return nil }
    return Instant(seconds: seconds, nanoseconds: second == 60 ? 0 : nanoseconds)
  }

  static func format(seconds: Int, milliseconds: Int) -> String {
    let days = Int((Double(seconds) / 86_400).rounded(.down))
    let time = seconds - days * 86_400
    let date = CivilDay(daysSince1970: days)
    var out: [UInt8] = []
    out.reserveCapacity(24)
    func put(_ value: Int, width: Int, then mark: Unicode.Scalar) {
      var scale = width == 4 ? 1000 : width == 3 ? 100 : 10
      while scale > 0 {
        out.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / scale % 10))
        scale /= 10
      }
      out.append(UInt8(truncatingIfNeeded: mark.value))
    }
    put(date.year, width: 4, then: "-")
    put(date.month, width: 2, then: "-")
    put(date.day, width: 2, then: "T")
    put(time / 3600, width: 2, then: ":")
    put(time / 60 % 60, width: 2, then: ":")
    put(time % 60, width: 2, then: ".")
    put(milliseconds, width: 3, then: "Z")
    return String(decoding: out, as: UTF8.self)
  }

  private struct Reader {
    let text: UnsafeBufferPointer<UInt8>
    var index = 0

    var isAtEnd: Bool { index == text.count }
    var next: UInt8? { index < text.count ? text[index] : nil }

    mutating func digits(_ count: Int) -> Int? {
      guard index + count <= text.count else { return nil }
      var value = 0
      for place in index..<index + count {
        guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= text[place] else { return nil }
        value = value * 10 + Int(text[place] - UInt8(ascii: "0"))
      }
      index += count
      return value
    }

    /// Passes one character; letters in either case, as RFC 3339 section 5.6 allows.
    mutating func pass(_ mark: Unicode.Scalar) -> Bool {
      guard let byte = next, UInt32(byte) == mark.value || UInt32(byte) == mark.value | 0x20
      else { return false }
      index += 1
      return true
    }

    /// Nanoseconds; 0 without a fraction.
    mutating func fraction() -> Int? {
      guard next == UInt8(ascii: ".") else { return 0 }
      index += 1
      var value = 0
      var scale = 100_000_000
      let start = index
      while let byte = next, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte {
        value += Int(byte - UInt8(ascii: "0")) * scale
        scale /= 10
        index += 1
      }
      return index > start ? value : nil
    }

    /// Seconds east of UTC.
    mutating func zone() -> Int? {
      if pass("Z") { return 0 }
      guard let sign = next, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-")
      else { return nil }
      index += 1
      guard let hours = digits(2), pass(":"), let minutes = digits(2), hours < 24, minutes < 60
      else { return nil }
      let offset = hours * 3600 + minutes * 60
      return sign == UInt8(ascii: "-") ? -offset : offset
    }
  }
}
