import Foundation
import JSON

/// What the clocks on the walls of a zone show, and when they show it.
///
/// A wall time is counted in seconds as if the wall were in UTC. One that a change of clocks leaves
/// out stands for the instant of the change; one that comes twice for the first time it comes.
/// So instants never decrease as wall times grow.
struct WallClock: Sendable {
  let zone: TimeZone

  init(_ zone: TimeZone) { self.zone = zone }

  /// Seconds since 1970 as the wall shows them.
  func wall(at instant: Date) -> Int {
    Self.whole(instant.timeIntervalSince1970) + zone.secondsFromGMT(for: instant)
  }

  func day(of instant: Date) -> CivilDay { Self.day(of: wall(at: instant)) }

  static func day(of wall: Int) -> CivilDay {
    CivilDay(daysSince1970: wall / 86_400 - (wall % 86_400 < 0 ? 1 : 0))
  }

  /// When a day begins.
  func midnight(_ day: CivilDay) -> Date {
    instant(atWall: day.daysSince1970 * 86_400).instant
  }

  /// When the wall shows `wall`; see the type for times that come never or twice. `isSkippedDay`:
  /// the whole calendar day is left out there.
  func instant(atWall wall: Int) -> (instant: Date, isSkippedDay: Bool) {
    let early = offset(wall - Self.reach)
    let late = offset(wall + Self.reach)
    if early == late {
      let instant = wall - early
      // Two changes within a day and a half undo each other nowhere but in Ramadan, days apart.
      if offset(instant) == early { return (Self.date(instant), false) }
    }
    // With the offset before the change it comes first, if it comes.
    for candidate in [wall - early, wall - late].sorted()
    where offset(candidate) == wall - candidate {
      return (Self.date(candidate), false)
    }
    return change(around: wall)
  }

  /// The instant at which the clocks jump over `wall`.
  private func change(around wall: Int) -> (instant: Date, isSkippedDay: Bool) {
    var before = wall - Self.reach
    var after = wall + Self.reach
    while after - before > 1 {
      let middle = before + (after - before) / 2
      if middle + offset(middle) > wall { after = middle } else { before = middle }
    }
    let jump = offset(after) - offset(before)
    return (Self.date(after), jump >= 86_400)
  }

  /// No offset was ever larger than 15 h 14 min.
  private static let reach = 16 * 3600

  private func offset(_ instant: Int) -> Int {
    zone.secondsFromGMT(for: Self.date(instant))
  }

  private static func date(_ seconds: Int) -> Date {
    Date(timeIntervalSince1970: Double(seconds))
  }

  /// Instants beyond what the calendar can name are taken for its ends.
  private static func whole(_ seconds: Double) -> Int {
    Int(exactly: max(-62_135_596_800, min(253_402_300_799, seconds.rounded(.down)))) ?? 0
  }
}
