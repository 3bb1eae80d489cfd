import Foundation
import JSON

/// The days on which a plan reaches people, as far as its document says.
struct PlanDays: Sendable {
  /// How far ahead a calendar looks.
  static let horizon = 31

  let days: Set<CivilDay>

  /// `launchAt` nil: it goes out from `now` on. Streams and scenes may reach somebody on any day of
  /// their window; crowds from their launch until the last of them is through.
  init(
    _ document: PlanDocument, launchAt: Date?, busyFor seconds: TimeInterval, zone: TimeZone,
    now: Date
  ) {
    let clock = WallClock(zone)
    let end = clock.midnight(
      CivilDay(daysSince1970: clock.day(of: now).daysSince1970 + Self.horizon))
    let opens = max(now, launchAt ?? now, document.window?.from ?? now)
    let closes = min(end, document.window?.until ?? end)
    var days: Set<CivilDay> = []
    func add(from: Date, until: Date) {
      guard from < closes, until >= from else { return }
      let last = clock.day(of: min(until, closes.addingTimeInterval(-1))).daysSince1970
      let first = clock.day(of: from).daysSince1970
      guard first <= last else { return }
      for number in first...last { days.insert(CivilDay(daysSince1970: number)) }
    }
    if let recurrence = document.trigger.recurrence {
      let zone = recurrence.zone.flatMap(TimeZone.init(identifier:)) ?? zone
      var instant = opens
      while let next = recurrence.schedule.next(
        after: instant, in: zone, until: min(closes, recurrence.until ?? closes))
      {
        add(from: next, until: next.addingTimeInterval(seconds))
        // The next occurrence of another day: one a day is enough to know.
        instant = max(next, clock.midnight(clock.day(of: next)).addingTimeInterval(86_399))
      }
    } else if document.trigger.isStanding {
      add(from: opens, until: closes)
    } else {
      add(from: opens, until: opens.addingTimeInterval(seconds))
    }
    self.days = days
  }
}
