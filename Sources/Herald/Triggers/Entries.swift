import Conditions
import Foundation
import JSON
import Postgres

/// People entering one live version of a plan one by one.
struct Entries {
  let plan: ApprovedPlan
  let project: ProjectSettings
  let now: Date
  private let audience: SQL

  init(_ plan: ApprovedPlan, project: ProjectSettings, now: Date, in tx: Transaction) throws {
    self.plan = plan
    self.project = project
    self.now = now
    // A plan never reaches beyond the user scope of whoever submitted it.
    let parts = [
      try plan.audience(now: now, project, shape: .few, in: tx),
      try plan.scope(now: now, project, shape: .few, in: tx),
    ].compactMap(\.self)
    audience =
      parts.isEmpty ? "true" : "(\(SQL.joined(parts, separator: " AND ")))"
  }

  /// Events that satisfied the trigger, in order. True when somebody's first step is due at once.
  func enter(_ events: [StoredEvent], by trigger: EventTrigger, in tx: Transaction) throws -> Bool {
    var events = events
    var isFirst: SQL = "true"
    if trigger.occurrence == .first {
      isFirst = first(trigger, besides: events.map(\.id))
      var seen: Set<UUID> = []
      events = events.filter { seen.insert($0.user).inserted }
    }
    let key = plan.document.reentry?.key
    let entrants = try events.map { event in
      let properties = try JSONScanner.parse(event.properties)
      return Entrant(
        user: event.user, entryKey: event.id.text, since: event.timestamp,
        dueAt: event.timestamp.addingTimeInterval(trigger.hold),
        values: [
          "event": [
            "name": .string(event.name), "id": .id(event.id), "at": .instant(event.timestamp),
            "properties": properties,
          ]
        ], key: key.flatMap { properties[$0] })
    }
    let outcomes = try enter(entrants, isFirst: isFirst, in: tx)
    let due = Set(entrants.filter { $0.dueAt <= now }.map(\.entryKey))
    return outcomes.contains { $0.state == "active" && due.contains($0.entryKey) }
  }

  /// Decides on everybody who asks; those who must not be counted twice are to be locked before.
  func enter(
    _ entrants: [Entrant], isFirst: SQL = "true", in tx: Transaction
  ) throws -> [EntryStore.Outcome] {
    guard let first = plan.document.steps.first else { return [] }
    let day = StreamDay(now, zone: project.timeZone)
    let run = try EntryStore.run(
      plan: plan.key, version: plan.version, occurrence: day.occurrence, openUntil: day.end,
      id: UUID(), now: now, in: tx)
    guard let run else { return [] }
    let limit = try plan.document.limits.audience.map { people in
      let room = try StreamEntryStore.room(plan.key, plan.version, limit: people, in: tx)
      return (people: people, room: room)
    }
    let rule = EntryStore.Rule(
      plan: plan.key, version: plan.version, run: run, firstStep: first.id,
      firstIsSend: first.kind.delivers, priority: plan.document.priority, audience: audience,
      isFirst: isFirst, draw: try draw(in: tx),
      reentry: plan.document.reentry, limit: limit,
      projectZone: project.timeZone, awaits: plan.document.trigger.awaitedEvents.sorted())
    let outcomes = try EntryStore.enter(entrants, rule, now: now, in: tx)
    let entered = outcomes.count { $0.state == "active" }
    if limit != nil, entered > 0 {
      try StreamEntryStore.add(entered, plan.key, plan.version, in: tx)
    }
    return outcomes
  }

  /// Once a race of the stream is decided, whoever enters gets the winner.
  private func draw(in tx: Transaction) throws -> EntryDraw {
    let draw = plan.document.draw(of: plan.key, project)
    guard plan.document.experiment?.race != nil, var variants = draw.variants else { return draw }
    variants.isDecided = try RaceStore.find(plan.stream, in: tx)?.winner != nil
    return EntryDraw(holdout: draw.holdout, variants: variants)
  }

  /// Over `users u`: nothing of the kind was known of the person before.
  private func first(_ trigger: EventTrigger, besides events: [UUID]) -> SQL {
    let filters = SegmentCompiler.event(
      trigger.filters, now: now, projectZone: project.timeZone)
    let tests: [SQL] = ["e.name = \(trigger.event)", "e.id <> ALL(\(events))"] + filters
    // By the primary key, id by id: as one condition the planner may read all events of the name for
    // each person.
    return """
      (SELECT true FROM (SELECT u.id AS id UNION ALL
          SELECT x.alias_id FROM user_aliases x WHERE x.user_id = u.id) AS me
        CROSS JOIN LATERAL (SELECT FROM events e
          WHERE e.user_id = me.id AND \(SQL.joined(tests, separator: " AND ")) LIMIT 1) AS known
        LIMIT 1) IS NULL
      """
  }
}

/// The calendar day, in the project's zone, whose run takes in whoever enters by an event or call.
struct StreamDay {
  let occurrence: String
  /// Some minutes after midnight: a transaction begun before may still be under way then.
  let end: Date

  static let prefix = "day:"
  private static let margin = 600.0

  init(_ now: Date, zone: String) {
    let clock = WallClock(TimeZone(identifier: zone) ?? .gmt)
    let day = clock.day(of: now)
    occurrence = Self.prefix + day.description
    let next = CivilDay(daysSince1970: day.daysSince1970 + 1)
    end = clock.midnight(next).addingTimeInterval(Self.margin)
  }
}

extension Run {
  /// Whether people enter it one by one; otherwise its crowd was frozen.
  var isStream: Bool { occurrence.hasPrefix(StreamDay.prefix) }
}
