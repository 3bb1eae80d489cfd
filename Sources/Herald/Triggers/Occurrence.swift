import Foundation
import JSON

/// One firing of a recurrence in one zone.
struct Occurrence: Sendable, Equatable {
  let at: Date
  let zone: String

  /// `2026-11-22T10:00@Asia/Shanghai`, as the walls of the zone show it.
  var name: String {
    let wall = WallClock(TimeZone(identifier: zone) ?? .gmt).wall(at: at)
    let minute = ((wall % 86_400) + 86_400) % 86_400 / 60
    func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return "\(day)T\(padded(minute / 60)):\(padded(minute % 60))@\(zone)"
  }

  var day: CivilDay { WallClock(TimeZone(identifier: zone) ?? .gmt).day(of: at) }
}

extension Recurrence {
  /// A firing found later than this after its time is not made up for: Herald was down, or the plan
  /// paused.
  static let grace = 3600.0
  /// Missed firings that are recorded, of one zone.
  private static let recorded = 100

  /// What came in (after, through] in these zones: what is to be carried out now, and what was missed.
  /// Of one zone at most the latest is carried out.
  func firings(
    after: Date, through: Date, now: Date, zones: [String]
  ) -> (due: [Occurrence], missed: [Occurrence]) {
    var due: [Occurrence] = []
    var missed: [Occurrence] = []
    for name in zones {
      guard let zone = TimeZone(identifier: name) else { continue }
      let end = min(through, until ?? through)
      var found = schedule.all(after: after, through: end, in: zone, limit: Self.recorded).map {
        Occurrence(at: $0, zone: name)
      }
      if let last = found.last, now.timeIntervalSince(last.at) <= Self.grace {
        due.append(last)
        found.removeLast()
      }
      missed += found
    }
    return (due.sorted { ($0.at, $0.zone) < ($1.at, $1.zone) }, missed)
  }

  /// When the next firing in any of the zones is; nil when none is left.
  func next(after instant: Date, zones: [String]) -> Date? {
    zones.compactMap { name in
      TimeZone(identifier: name).flatMap {
        schedule.next(after: instant, in: $0, until: until)
      }
    }.min()
  }
}
