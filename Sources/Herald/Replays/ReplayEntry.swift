import Foundation
import JSON

/// Who is let in, one after the other, as `EntryStore` decides it: window, audience, holdout,
/// re-entry, how many may enter.
struct ReplayEntry {
  enum Verdict: Equatable {
    case enters
    /// Nothing is said of whose event is not the first.
    case ignored
    case heldOut(String)
    case skipped(SkipCode)
  }

  private let facts: ReplayFacts
  /// Who did it before the period.
  private let known: Set<UUID>
  private var entries: [UUID: [(at: Date, key: JSONValue?)]] = [:]
  private var seen: Set<UUID> = []
  private var entered = 0

  init(_ facts: ReplayFacts, known: Set<UUID>) {
    self.facts = facts
    self.known = known
  }

  mutating func decide(_ entrant: ReplayEntrant) throws -> Verdict {
    let document = facts.plan.document
    if let window = document.window, !window.contains(entrant.at) { return .ignored }
    if case .event(let trigger) = document.trigger, trigger.occurrence == .first {
      guard !known.contains(entrant.user), seen.insert(entrant.user).inserted else {
        return .ignored
      }
    }
    if let audience = document.audience,
      try !facts.fits(audience, entrant.user, entrant.at)
    {
      return .skipped(.notInAudience)
    }
    if let held = facts.drawn[entrant.user]?.held {
      entries[entrant.user, default: []].append((entrant.at, entrant.key))
      return .heldOut(held == "global" ? Holdout.globalReason : Holdout.heldOut)
    }
    if let reentry = document.reentry {
      let start = start(of: reentry.per, entrant)
      let used = (entries[entrant.user] ?? []).filter {
        $0.at >= start && (reentry.key == nil || $0.key == entrant.key)
      }
      guard used.count < reentry.limit else { return .skipped(.reentryLimit) }
    }
    // A crowd that is too large would not go at all.
    if document.trigger.isStream, let limit = document.limits.audience, entered >= limit {
      return .skipped(.audienceLimit)
    }
    entered += 1
    entries[entrant.user, default: []].append((entrant.at, entrant.key))
    return .enters
  }

  private func start(of period: Reentry.Period?, _ entrant: ReplayEntrant) -> Date {
    switch period {
    case nil: return .distantPast
    case .rolling(let span):
      // Open at its beginning.
      return entrant.at.addingTimeInterval(0.000_001 - Double(span.seconds))
    case .calendar(let unit, let zone):
      var calendar = Calendar(identifier: .iso8601)
      calendar.timeZone =
        zone.flatMap(TimeZone.init(identifier:)) ?? facts.zone(of: entrant.user)
      let component: Calendar.Component =
        switch unit {
        case .day: .day
        case .week: .weekOfYear
        case .month: .month
        }
      return calendar.dateInterval(of: component, for: entrant.at)?.start ?? .distantPast
    }
  }
}
