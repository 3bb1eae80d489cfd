import Conditions
import Foundation
import JSON
import Postgres

/// Lets events that were just stored make people enter plans, and ends waits early. In the
/// transaction that stores the events: acknowledged is entered.
struct TriggerMatching: EventObserver {
  let live: LiveTriggers
  /// Called after the commit when something is due now.
  let wake: @Sendable () -> Void

  init(plans: ApprovedPlans = ApprovedPlans(), wake: @escaping @Sendable () -> Void) {
    live = LiveTriggers(plans: plans)
    self.wake = wake
  }

  func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws {
    guard isLive else { return }
    let table = try live.current(in: tx)
    let concerned = events.filter { table.candidates[$0.name] != nil }
    var isDue = false
    if !concerned.isEmpty { isDue = try enter(concerned, table, now: now, in: tx) }
    // After the entries: what a batch brings together ends waits that begin with it.
    let awaited = events.filter { table.awaited.contains($0.name) }
    if !awaited.isEmpty {
      let hastened = try QueueStore.hasten(
        awaiting: awaited.map { ($0.user, $0.name) }, now: now, in: tx)
      isDue = isDue || hastened > 0
    }
    if isDue { tx.onCommit(wake) }
  }

  /// True when something is due at once.
  private func enter(
    _ events: [StoredEvent], _ table: LiveTriggers.Table, now: Date, in tx: Transaction
  ) throws -> Bool {
    try tx.lookUpByKey()
    let project = try SettingsStore.load(in: tx).settings
    let matches = try match(events, table, project, now: now, in: tx)
    let counted = matches.filter { candidate, _ in
      candidate.plan.document.reentry != nil || candidate.trigger.occurrence == .first
    }
    try EntryStore.lock(counted.flatMap { $0.1.map(\.user) }, in: tx)
    var isDue = false
    for (candidate, events) in matches {
      let entries = try Entries(candidate.plan, project: project, now: now, in: tx)
      isDue = try entries.enter(events, by: candidate.trigger, in: tx) || isDue
    }
    return isDue
  }

  /// The events that satisfy each trigger, in the order of their time; plans in the order of their
  /// keys, so that two transactions never wait for each other's runs.
  private func match(
    _ events: [StoredEvent], _ table: LiveTriggers.Table, _ project: ProjectSettings, now: Date,
    in tx: Transaction
  ) throws -> [(LiveTriggers.Candidate, [StoredEvent])] {
    let candidates = Dictionary(grouping: events, by: \.name).flatMap { name, events in
      (table.candidates[name] ?? []).map { ($0, events) }
    }
    let isLocal = candidates.contains { $0.0.trigger.filters.contains(where: \.isLocal) }
    let zones = isLocal ? try UserZoneStore.zones(of: events.map(\.user), project, in: tx) : [:]
    var matches: [(LiveTriggers.Candidate, [StoredEvent])] = []
    for (candidate, events) in candidates {
      let window = candidate.plan.document.window
      if let window, !window.contains(now) { continue }
      // What happened before the window, and is told within it.
      let events = events.filter { $0.timestamp >= window?.from ?? .distantPast }
      let filters = candidate.trigger.filters
      let fitting =
        try filters.isEmpty
        ? events
        : events.filter { event in
          let properties = try JSONScanner.parse(event.properties).objectValue ?? [:]
          let zone = zones[event.user] ?? .gmt
          return filters.allSatisfy { $0.holds(for: properties, at: now, zone: zone) }
        }
      guard !fitting.isEmpty else { continue }
      let ordered = fitting.enumerated().sorted {
        ($0.element.timestamp, $0.offset) < ($1.element.timestamp, $1.offset)
      }
      matches.append((candidate, ordered.map(\.element)))
    }
    return matches.sorted {
      ($0.0.plan.key, $0.0.plan.version) < ($1.0.plan.key, $1.0.plan.version)
    }
  }
}
