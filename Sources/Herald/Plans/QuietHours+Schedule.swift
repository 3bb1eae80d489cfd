import Foundation

extension QuietHours {
  /// The first instant at or after `now` outside the quiet hours as the clock on the wall of `zone`
  /// shows them; `now` itself when it is outside. A local time that a change of clocks skips or
  /// repeats counts as the wall clock shows it at each instant.
  public func nextAllowed(from now: Date, in zone: TimeZone) -> Date {
    guard isQuiet(at: now, in: zone) else { return now }
    let end = now.addingTimeInterval(Double(secondsUntilEnd(at: now, in: zone)))
    if zone.secondsFromGMT(for: end) == zone.secondsFromGMT(for: now) { return end }
    // The clocks change on the way, which can end the hours earlier, skip what is not quiet or show
    // it twice. Clocks stand on whole minutes: look at each.
    let second = Self.localSecond(now, zone) % 60
    var candidate = Date(
      timeIntervalSince1970: now.timeIntervalSince1970.rounded(.down) - Double(second))
    for _ in 0..<Self.longestSearch {
      candidate = candidate.addingTimeInterval(60)
      if !isQuiet(at: candidate, in: zone) { return candidate }
    }
    return candidate
  }

  /// Two days in minutes: a change of clocks can skip one day's pause between quiet hours.
  private static let longestSearch = 50 * 60

  /// Whether the wall clock of `zone` stands within [from, until).
  public func isQuiet(at instant: Date, in zone: TimeZone) -> Bool {
    let minute = Self.localSecond(instant, zone) / 60
    return from < until ? (from..<until).contains(minute) : minute >= from || minute < until
  }

  private func secondsUntilEnd(at instant: Date, in zone: TimeZone) -> Int {
    let left = until * 60 - Self.localSecond(instant, zone)
    return left > 0 ? left : left + 86_400
  }

  /// Seconds since local midnight.
  private static func localSecond(_ instant: Date, _ zone: TimeZone) -> Int {
    let local =
      Int(instant.timeIntervalSince1970.rounded(.down)) + zone.secondsFromGMT(for: instant)
    let second = local % 86_400
    return second < 0 ? second + 86_400 : second
  }
}
