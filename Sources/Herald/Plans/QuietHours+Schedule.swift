import Foundation

extension QuietHours {
  /// The first instant at or after `now` outside the quiet hours as the clock on the wall of `zone`
  /// shows them; `now` itself when it is outside. A local time that a change of clocks skips or
  /// repeats counts as the wall clock shows it at each instant.
  public func nextAllowed(from now: Date, in zone: TimeZone) -> Date {
    guard isQuiet(at: now, in: zone) else { return now }
    // Within a day the hours end. Clocks change on whole minutes, by any amount: look for the end
    // assuming no change first, then settle minute by minute around it.
    var candidate = now.addingTimeInterval(Double(secondsUntilEnd(at: now, in: zone)))
    if !isQuiet(at: candidate, in: zone) {
      // A change of clocks may have ended them earlier.
      while candidate > now, case let earlier = candidate.addingTimeInterval(-60), earlier > now,
        !isQuiet(at: earlier, in: zone)
      {
        candidate = earlier
      }
      return candidate
    }
    for _ in 0..<(26 * 60) {
      candidate = candidate.addingTimeInterval(60)
      if !isQuiet(at: candidate, in: zone) { return candidate }
    }
    return candidate
  }

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
