import Foundation

/// The `Retry-After` field (RFC 9110 section 10.2.3): seconds, or a date in any of the three HTTP forms.
public enum RetryAfter {
  /// No server makes us wait longer.
  public static let maximum: Duration = .seconds(3600)

  /// Between zero (a date already past) and ``maximum``; nil for anything that is neither form, such as
  /// a negative or fractional number: the caller's own backoff then holds.
  public static func parse(_ value: String, now: Date) -> Duration? {
    let bytes = Array(value.utf8)
    if !bytes.isEmpty, bytes.allSatisfy({ (0x30...0x39).contains($0) }) {
      guard let seconds = Int(value) else { return maximum }  // more digits than an Int holds
      return min(.seconds(min(seconds, 3600)), maximum)
    }
    guard let seconds = HTTPDate.parse(value) else { return nil }
    let wait = Double(seconds) - now.timeIntervalSince1970
    guard wait.isFinite else { return nil }
    return .milliseconds(Int((max(0, min(wait, 3600)) * 1000).rounded(.up)))
  }
}

/// HTTP dates (RFC 9110 section 5.6.7): IMF-fixdate and the obsolete RFC 850 and asctime forms.
enum HTTPDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// Unix seconds; nil unless `text` is a real date in one of the forms. The name of the day is not
  /// compared with the date.
  static func parse(_ text: String) -> Int? {
    let words = text.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
    switch words.count {
    case 6 where words[5] == "GMT" && words[0].hasSuffix(","):
      // Sun, 06 Nov 1994 08:49:37 GMT
      return seconds(day: words[1], month: words[2], year: number(words[3], 4), time: words[4])
    case 4 where words[3] == "GMT" && words[0].hasSuffix(","):
      // Sunday, 06-Nov-94 08:49:37 GMT
      let date = words[1].split(separator: "-").map(String.init)
      guard date.count == 3, let year = number(date[2], 2) else { return nil }
      return seconds(
        day: date[0], month: date[1], year: year < 70 ? 2000 + year : 1900 + year, time: words[2])
    case 5:
      // Sun Nov  6 08:49:37 1994
      return seconds(day: words[2], month: words[1], year: number(words[4], 4), time: words[3])
    default:
      return nil
    }
  }

  private static func seconds(day: String, month: String, year: Int?, time: String) -> Int? {
    let clock = time.split(separator: ":", omittingEmptySubsequences: false).map { number($0, 2) }
    guard let year, year >= 1970, let month = months.firstIndex(of: month),
      let day = number(day, 2) ?? number(day, 1), clock.count == 3,
      let hour = clock[0], let minute = clock[1], let second = clock[2],
      hour < 24, minute < 60, second <= 60, day >= 1, day <= days(of: month, year: year)
    else { return nil }
    return ((daysSinceEpoch(year: year, month: month, day: day) * 24 + hour) * 60 + minute) * 60
      + second
  }

  private static func number(_ text: some StringProtocol, _ digits: Int) -> Int? {
    guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int(text)
  }

  private static func isLeap(_ year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  private static func days(of month: Int, year: Int) -> Int {
    switch month {
    case 1: isLeap(year) ? 29 : 28
    case 3, 5, 8, 10: 30
    default: 31
    }
  }

  private static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
    let before = year - 1
    let leapDays = before / 4 - before / 100 + before / 400 - 477  // 477 of them before 1970
    let inYear = (0..<month).reduce(0) { $0 + days(of: $1, year: year) }
    return (year - 1970) * 365 + leapDays + inYear + day - 1
  }
}
