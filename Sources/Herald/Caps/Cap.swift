import Foundation
import JSON

/// How often people may be written to by marketing plans, all plans together.
struct Cap: Sendable, Equatable {
  /// Which messages count, and are refused when there were enough of them.
  enum Scope: Sendable, Hashable {
    /// Every message. The issue of a coupon is none.
    case all
    case channel(Channel)
    case category(String)
  }

  enum Rule: Sendable, Equatable {
    /// At most so many within the span.
    case limit(Int, per: CapSpan)
    /// At least this long from one to the next.
    case gap(TimeSpan)
  }

  let key: String
  let scope: Scope
  let rule: Rule

  /// The longest span a cap can look back on: uses are kept that long.
  static let longest = 92
  static let limits = 1...1000

  var limit: Int {
    switch rule {
    case .limit(let limit, _): limit
    case .gap: 1
    }
  }

  var span: CapSpan {
    switch rule {
    case .limit(_, let span): span
    case .gap(let gap): .rolling(gap)
    }
  }

  var code: SkipCode {
    switch rule {
    case .limit: .capped
    case .gap: .minimumGap
    }
  }

  /// Whether a message of this kind counts.
  func covers(_ channel: Channel, category: String?) -> Bool {
    switch scope {
    case .all: channel != .coupon
    case .channel(let own): channel == own
    case .category(let own): channel != .coupon && category == own
    }
  }

  /// Whether nothing is allowed that `other` forbids, as far as the two can be compared.
  func isAsTight(as other: Cap) -> Bool {
    guard scope == other.scope || scope == .all && other.scope != .channel(.coupon) else {
      return false
    }
    switch (rule, other.rule) {
    case (.gap(let mine), .gap(let theirs)): return mine >= theirs
    case (.limit(let limit, let span), .limit(let most, let theirs)):
      return limit <= most && span.isAsLong(as: theirs)
    default: return false
    }
  }
}

/// The span of time in which a cap counts.
enum CapSpan: Sendable, Equatable {
  /// (now − span, now].
  case rolling(TimeSpan)
  /// The day, week or month of the calendar that now lies in, in a named zone or the person's own.
  case calendar(Unit, zone: String?)

  /// Weeks begin on Monday.
  enum Unit: String, Sendable, CaseIterable {
    case day, week, month
  }

  func isAsLong(as other: CapSpan) -> Bool {
    switch (self, other) {
    case (.rolling(let mine), .rolling(let theirs)): mine >= theirs
    default: self == other
    }
  }

  /// Whether a use of `time` counts at `now`. Uses that other clocks have put into the future do.
  func counts(_ time: Date, at now: Date, zone: TimeZone) -> Bool {
    switch self {
    case .rolling(let span): time > now.addingTimeInterval(-Double(span.seconds))
    case .calendar(let unit, let own):
      time >= unit.start(at: now, in: Self.clock(own, zone))
    }
  }

  /// When a use of `time` counts no longer.
  func end(of time: Date, zone: TimeZone) -> Date {
    switch self {
    case .rolling(let span): time.addingTimeInterval(Double(span.seconds))
    case .calendar(let unit, let own): unit.end(at: time, in: Self.clock(own, zone))
    }
  }

  private static func clock(_ name: String?, _ zone: TimeZone) -> WallClock {
    WallClock(name.flatMap(TimeZone.init(identifier:)) ?? zone)
  }

  /// No use before this instant counts at `now`, in whatever zone.
  func horizon(at now: Date) -> Date {
    switch self {
    case .rolling(let span): now.addingTimeInterval(-Double(span.seconds))
    case .calendar(.day, _): now.addingTimeInterval(-2 * 86_400)
    case .calendar(.week, _): now.addingTimeInterval(-9 * 86_400)
    case .calendar(.month, _): now.addingTimeInterval(-33 * 86_400)
    }
  }
}

extension CapSpan.Unit {
  /// When the calendar's day, week or month begins that `instant` lies in.
  func start(at instant: Date, in clock: WallClock) -> Date {
    clock.midnight(first(of: clock.day(of: instant)))
  }

  /// When the next one begins.
  func end(at instant: Date, in clock: WallClock) -> Date {
    let first = first(of: clock.day(of: instant))
    switch self {
    case .day: return clock.midnight(first.adding(1))
    case .week: return clock.midnight(first.adding(7))
    case .month: return clock.midnight(self.first(of: first.adding(31)))
    }
  }

  private func first(of day: CivilDay) -> CivilDay {
    switch self {
    case .day: day
    // 1 January 1970 was a Thursday.
    case .week: day.adding(-(((day.daysSince1970 + 3) % 7 + 7) % 7))
    case .month: day.adding(1 - day.day)
    }
  }
}

extension CivilDay {
  fileprivate func adding(_ days: Int) -> CivilDay {
    CivilDay(daysSince1970: daysSince1970 + days)
  }
}

/// A cap with its place in the catalogue.
struct StoredCap: Sendable {
  let cap: Cap
  let version: Int
  let createdAt: Date
  let updatedAt: Date
}
