import Glibc

/// The Date field's value (IMF-fixdate), made once a second.
struct DateField {
  private var second: time_t = -1
  private var bytes: [UInt8] = []
  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  mutating func current() -> [UInt8] {
    let now = time(nil)
    if now != second {
      second = now
      bytes = Array(Self.text(now).utf8)
    }
    return bytes
  }

  static func text(_ instant: time_t) -> String {
    var instant = instant
    var parts = tm()
    gmtime_r(&instant, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let day = days[Int(parts.tm_wday) % 7]
    let month = months[Int(parts.tm_mon) % 12]
    return "\(day), \(two(parts.tm_mday)) \(month) \(1900 + Int(parts.tm_year)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
  }
}
