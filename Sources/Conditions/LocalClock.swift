import Foundation
import JSON

/// An instant as a user's wall clock and calendar show it.
struct LocalClock {
  var now: Date
  var zone: TimeZone

  var today: CivilDay { day(of: now) }

  func day(of instant: Date) -> CivilDay {
    let local =
      instant.timeIntervalSince1970 + Double(zone.secondsFromGMT(for: instant))
    let days = (local / 86_400).rounded(.down)
    return CivilDay(daysSince1970: Int(exactly: max(-1e7, min(1e7, days))) ?? 0)
  }

  /// Local midnight by PostgreSQL's rule: in a gap with the offset before it, of two the later.
  func midnight(_ day: CivilDay) -> Date {
    let local = Double(day.daysSince1970) * 86_400
    let around = Date(timeIntervalSince1970: local)
    let before = zone.secondsFromGMT(for: around.addingTimeInterval(-86_400))
    let after = zone.secondsFromGMT(for: around.addingTimeInterval(86_400))
    let early = around.addingTimeInterval(-Double(before))
    let late = around.addingTimeInterval(-Double(after))
    return zone.secondsFromGMT(for: late) == after ? late : early
  }

  /// Whether `time` lies in the window that ends now; nil is ever.
  func contains(_ time: Date, in window: Window?) -> Bool {
    guard time <= now else { return false }
    switch window {
    case nil: return true
    case .rolling(let span): return time > now.addingTimeInterval(-Double(span.seconds))
    case .calendar(let days, let zone):
      let clock = LocalClock(now: now, zone: zone.resolved(for: self.zone))
      let first = CivilDay(daysSince1970: clock.today.daysSince1970 - (days - 1))
      return time >= clock.midnight(first)
    }
  }
}

extension Zone {
  /// The zone of the name. Names are checked when conditions are parsed; UTC stands for one that
  /// has vanished since.
  func resolved(for user: TimeZone) -> TimeZone {
    switch self {
    case .user: user
    case .named(let name): TimeZone(identifier: name) ?? .gmt
    }
  }

  /// Nil unless the text is `user`, `UTC` or an area and place of the IANA database. Abbreviations
  /// and POSIX forms are refused: they mean different things to different programs.
  init?(_ text: String) {
    if text == "user" {
      self = .user
    } else if text == "UTC" || text.contains("/"), TimeZone(identifier: text) != nil {
      self = .named(text)
    } else {
      return nil
    }
  }
}
