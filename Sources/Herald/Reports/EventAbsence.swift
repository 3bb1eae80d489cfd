import Conditions
import Foundation
import JSON
import Postgres

/// Why what a person did has not made them enter a plan by an event trigger: told by the version that
/// was live when the event came.
struct EventAbsence {
  private let plan: Plan
  private let zone: TimeZone
  private let now: Date
  /// Versions that were ever live, the latest first.
  private let versions: [(liveAt: Date, document: PlanDocument)]
  /// What the person did, the newest first.
  private let latest: [ExplanationStore.Event]

  /// Nil when the plan was never live by an event.
  init?(
    _ plan: Plan, _ user: UUID, _ settings: ProjectSettings, now: Date, in tx: Transaction
  ) throws {
    versions = try ExplanationStore.liveVersions(of: plan.key, in: tx)
    guard let name = versions.lazy.compactMap(\.document.eventTrigger?.event).first else {
      return nil
    }
    self.plan = plan
    self.now = now
    zone = try UserZoneStore.zones(of: [user], settings, in: tx)[user] ?? .gmt
    latest = try ExplanationStore.latestEvents(
      name, of: ExplanationStore.ids(of: user, in: tx), in: tx)
  }

  /// Of somebody who never entered.
  func decision(in tx: Transaction) throws -> Decision {
    guard let newest = latest.first else {
      return Decision(
        run: nil, at: now, outcome: .notTargeted, gate: Gate.trigger.rawValue,
        code: "not_triggered",
        values: [
          "event": .optional(versions.first?.document.eventTrigger?.event), "happened": false,
        ])
    }
    return try why(latest.first { fits($0) ?? false } ?? newest, in: tx)
  }

  /// Of the latest event of somebody who had entered before; nil when they entered by it, or did
  /// nothing since.
  func later(
    than enrolments: [ExplanationStore.Enrolment], in tx: Transaction
  ) throws -> Decision? {
    guard let newest = latest.first,
      !enrolments.contains(where: { $0.name.entryKey == newest.id.text }),
      enrolments.allSatisfy({ $0.enteredAt <= newest.receivedAt })
    else { return nil }
    return try why(newest, in: tx)
  }

  /// The version that was live when the event came.
  private func version(
    of event: ExplanationStore.Event
  ) -> (liveAt: Date, document: PlanDocument)? {
    versions.first { $0.liveAt <= event.receivedAt }
  }

  /// Whether the event is one of those by which people enter; nil when no version took it in.
  private func fits(_ event: ExplanationStore.Event) -> Bool? {
    guard let trigger = version(of: event)?.document.eventTrigger, trigger.event == event.name
    else { return nil }
    return trigger.filters.allSatisfy { $0.holds(for: event.properties, at: now, zone: zone) }
  }

  private func why(_ event: ExplanationStore.Event, in tx: Transaction) throws -> Decision {
    guard let version = version(of: event), let trigger = version.document.eventTrigger,
      trigger.event == event.name
    else {
      let next = versions.last { $0.document.eventTrigger?.event == event.name }
      return absent(event, "plan", "not_live_yet", ["live_at": .instant(next?.liveAt)])
    }
    guard fits(event) ?? false else {
      var seen = JSONObject()
      for filter in trigger.filters {
        seen[filter.key] = event.properties[filter.key] ?? .null
      }
      return absent(event, "trigger", "where_not_met", ["properties": .object(seen)])
    }
    let window = version.document.window
    if let window, !window.contains(event.receivedAt) || event.at < window.from ?? .distantPast {
      return absent(
        event, "window", SkipCode.outsideWindow.rawValue,
        ["from": .instant(window.from), "until": .instant(window.until)])
    }
    switch try ExplanationStore.standstill(of: plan.key, at: event.receivedAt, in: tx) {
    case .over(let at): return absent(event, "plan", "plan_over", ["ended_at": .instant(at)])
    case .paused(let at): return absent(event, "plan", "paused", ["paused_at": .instant(at)])
    case nil: break
    }
    if trigger.occurrence == .first,
      latest.contains(where: { $0.id != event.id && (fits($0) ?? true) })
    {
      return absent(event, "trigger", "not_the_first", [:])
    }
    // Such as an import of history, which makes nobody enter.
    return absent(event, "trigger", "not_triggered", [:])
  }

  private func absent(
    _ event: ExplanationStore.Event, _ gate: String, _ code: String, _ more: JSONObject
  ) -> Decision {
    var values: JSONObject = [
      "event": .string(event.name), "id": .id(event.id), "at": .instant(event.at),
      "told_at": .instant(event.receivedAt),
    ]
    for (key, value) in more.members { values[key] = value }
    return Decision(
      run: nil, at: now, outcome: .notTargeted, gate: gate, code: code, values: .object(values))
  }
}

extension PlanDocument {
  fileprivate var eventTrigger: EventTrigger? {
    if case .event(let trigger) = trigger { trigger } else { nil }
  }
}

extension ExplanationStore {
  struct Event: Sendable {
    let id: UUID
    let name: String
    let at: Date
    let receivedAt: Date
    let properties: JSONObject
  }

  /// What the person did by this name, the newest first, as far back as is looked.
  static func latestEvents(
    _ name: String, of ids: [UUID], in db: any Queryable
  ) throws -> [Event] {
    try db.query(
      """
      SELECT e.id, e.ts, e.received_at, e.properties FROM events e
      WHERE e.user_id = ANY(\(ids)) AND e.name = \(name) ORDER BY e.ts DESC, e.id DESC
      LIMIT \(mostRuns)
      """
    ).map { row in
      Event(
        id: try row.get("id"), name: name, at: try row.get("ts"),
        receivedAt: try row.get("received_at"),
        properties: try row.optionalJSON("properties")?.objectValue ?? [:])
    }
  }

  static func liveVersions(
    of plan: String, in db: any Queryable
  ) throws -> [(liveAt: Date, document: PlanDocument)] {
    try db.query(
      """
      SELECT live_at, document FROM plan_versions
      WHERE plan = \(plan) AND live_at IS NOT NULL ORDER BY live_at DESC
      """
    ).map { (try $0.get("live_at"), try PlanDocument.stored($0.json("document"))) }
  }

  enum Standstill: Sendable {
    case paused(Date)
    case over(Date)
  }

  /// Whether a plan took nobody in at an instant although it had been live, and since when.
  static func standstill(
    of plan: String, at instant: Date, in db: any Queryable
  ) throws -> Standstill? {
    let row = try db.one(
      """
      SELECT action, at FROM audit_entries
      WHERE subject_kind = 'plan' AND subject = \(plan) AND at <= \(instant)
        AND action IN ('plan.pause', 'plan.auto_paused', 'plan.resume', 'plan.launched',
          'plan.cancel', 'plan.completed')
      ORDER BY id DESC LIMIT 1
      """)
    guard let row else { return nil }
    switch try row.get("action", as: String.self) {
    case "plan.pause", "plan.auto_paused": return .paused(try row.get("at"))
    case "plan.cancel", "plan.completed": return .over(try row.get("at"))
    default: return nil
    }
  }
}
