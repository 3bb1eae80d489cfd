import Conditions
import Foundation
import JSON
import Postgres

extension Absence {
  /// Why what the person did has not made them enter by an event trigger.
  func notEntered(
    _ trigger: EventTrigger, _ window: PlanDocument.Window?, _ version: PlanVersion,
    in tx: Transaction
  ) throws -> Decision {
    let ids = try ExplanationStore.ids(of: user, in: tx)
    let latest = try ExplanationStore.latestEvents(trigger.event, of: ids, in: tx)
    guard let newest = latest.first else {
      return notTriggered(version, ["event": .string(trigger.event), "happened": false])
    }
    let zone = try UserZoneStore.zones(of: [user], settings, in: tx)[user] ?? .gmt
    let fitting = latest.first { event in
      trigger.filters.allSatisfy { $0.holds(for: event.properties, at: now, zone: zone) }
    }
    guard let event = fitting else {
      var seen = JSONObject()
      for filter in trigger.filters {
        seen[filter.key] = newest.properties[filter.key] ?? .null
      }
      return absent(newest, "trigger", "where_not_met", ["properties": .object(seen)])
    }
    if let window, !window.contains(event.receivedAt) || event.at < window.from ?? .distantPast {
      return absent(
        event, "window", SkipCode.outsideWindow.rawValue,
        ["from": .instant(window.from), "until": .instant(window.until)])
    }
    let lives = try ExplanationStore.life(of: plan.key, at: event.receivedAt, in: tx)
    if let live = lives.liveAt, event.receivedAt < live {
      return absent(event, "plan", "not_live_yet", ["live_at": .instant(live)])
    }
    if let paused = lives.pausedAt {
      return absent(event, "plan", "paused", ["paused_at": .instant(paused)])
    }
    if trigger.occurrence == .first, latest.count > 1 {
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

  /// Since when a plan has been live, and since when it was paused at an instant, if it was.
  static func life(
    of plan: String, at instant: Date, in db: any Queryable
  ) throws -> (liveAt: Date?, pausedAt: Date?) {
    let row = try db.one(
      """
      SELECT (SELECT min(live_at) FROM plan_versions WHERE plan = \(plan)) AS live_at,
        (SELECT CASE WHEN action IN ('plan.pause', 'plan.auto_paused') THEN at END
          FROM audit_entries WHERE subject_kind = 'plan' AND subject = \(plan) AND at <= \(instant)
            AND action IN ('plan.pause', 'plan.auto_paused', 'plan.resume', 'plan.cancel')
          ORDER BY id DESC LIMIT 1) AS paused_at
      """)
    return (try row?.get("live_at"), try row?.get("paused_at"))
  }
}
