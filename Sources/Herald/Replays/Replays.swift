import Conditions
import Foundation
import JSON
import Postgres

/// Plans run over the past. Everything is read in one read-only transaction and computed from there:
/// nothing is written, locked or sent.
struct Replays: Sendable {
  let db: Database
  let senders: Senders
  let settings: @Sendable () async throws -> ProjectSettings

  static let patience = Duration.seconds(60)

  /// The draft, or else the live version, over a past period. 409 when there is more to look at than
  /// one replay does.
  func replay(
    _ key: String, _ period: Replay.Period, by caller: Caller, now: Date
  ) async throws -> Replay {
    let project = try await settings()
    return try await db.pool.snapshot(timeout: Self.patience) { tx in
      let plan = try Self.plan(key, by: caller, in: tx)
      try tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")
      let visible = try Self.visible(plan, project, period, caller, now, in: tx)
      let entrants = try Self.entrants(plan, period, project, visible: visible, in: tx)
      let people = Array(Set(entrants.map(\.user)))
      let conditions = ReplayConditions(plan, project, people: people, in: tx)
      let facts = try self.facts(plan, project, people, conditions, period, in: tx)
      let known = try Self.known(plan, people, period, project, in: tx)
      return try Self.run(plan, entrants, facts, known, period)
    }
  }

  private static func plan(
    _ key: String, by caller: Caller, in tx: Transaction
  ) throws -> ApprovedPlan {
    let plan = try PlanStore.load(key, in: tx)
    if let draft = plan.draftVersion {
      let version = try PlanStore.version(key, draft, in: tx)
      let document = try Plans.checked(version.document, isStored: true, by: .herald, in: tx)
      return try ApprovedPlan(
        ManifestBuilder.build(key, version, document, userScope: caller.userScope, in: tx),
        version: draft)
    }
    guard let live = plan.liveVersion else {
      throw HeraldError(.wrongState, "Plan '\(key)' has neither a draft nor a live version.")
    }
    return try ApprovedPlan(PlanStore.version(key, live, in: tx))
  }

  /// Whom the caller may see and the plan may reach, over `users u`.
  private static func visible(
    _ plan: ApprovedPlan, _ project: ProjectSettings, _ period: Replay.Period, _ caller: Caller,
    _ now: Date, in tx: Transaction
  ) throws -> SQL {
    let parts = [
      try UserScope.predicate(caller, now: now, projectZone: project.timeZone, in: tx),
      try plan.scope(now: period.until, project, in: tx) ?? "true",
    ]
    return SQL.joined(parts.map { "(\($0))" }, separator: " AND ")
  }

  private func facts(
    _ plan: ApprovedPlan, _ project: ProjectSettings, _ people: [UUID],
    _ conditions: ReplayConditions, _ period: Replay.Period, in tx: Transaction
  ) throws -> ReplayFacts {
    let active = try SenderStore.active(in: tx).filter(plan.approves)
    return ReplayFacts(
      plan: plan, project: project,
      users: try UserStore.recipients(people, now: period.until, in: tx),
      events: try ReplayStore.events(
        of: people, plan.document.awaitedEvents, period, limit: Replay.mostEvents, in: tx),
      senders: Dictionary(grouping: active) { $0.sender.channel },
      tokenProviders: { (try? senders.kind(of: $0))?.tokenProviders },
      drawn: try ReplayStore.draw(
        plan.document.draw(of: plan.key, project), of: people, in: tx),
      holds: { try conditions.holds($0, $1, at: $2) },
      fits: { try conditions.fits($0, $1, at: $2) })
  }

  /// Whose first event of the kind lies before the period.
  private static func known(
    _ plan: ApprovedPlan, _ people: [UUID], _ period: Replay.Period, _ project: ProjectSettings,
    in tx: Transaction
  ) throws -> Set<UUID> {
    guard case .event(let trigger) = plan.document.trigger, trigger.occurrence == .first else {
      return []
    }
    return try ReplayStore.known(
      people, name: trigger.event, before: period.from,
      SegmentCompiler.event(
        trigger.filters, now: period.until, projectZone: project.timeZone), in: tx)
  }

  private static func run(
    _ plan: ApprovedPlan, _ entrants: [ReplayEntrant], _ facts: ReplayFacts, _ known: Set<UUID>,
    _ period: Replay.Period
  ) throws -> Replay {
    var people = Account.People()
    var lines: [Replay.Line] = []
    var entry = ReplayEntry(facts, known: known)
    for entrant in entrants {
      switch try entry.decide(entrant) {
      case .ignored: continue
      case .heldOut(let code):
        people.heldOut += 1
        lines.append(.init(at: entrant.at, user: entrant.user, outcome: .heldOut, code: code))
      case .skipped(let code):
        people.skipped[code.rawValue, default: 0] += 1
        lines.append(
          .init(at: entrant.at, user: entrant.user, outcome: .skipped, code: code.rawValue))
      case .enters:
        var walk = ReplayWalk(entrant, facts, until: period.until)
        switch try walk.run() {
        case .finished: people.finished += 1
        case .active: people.active += 1
        case .exited(let code): people.exited[code, default: 0] += 1
        }
        lines += walk.lines
      }
      people.targeted += 1
    }
    let sorted = lines.enumerated().sorted { left, right in
      (left.element.at, left.element.user.text, left.offset)
        < (right.element.at, right.element.user.text, right.offset)
    }
    return Replay(
      plan: plan.key, version: plan.version, period: period, lines: sorted.map(\.element),
      people: people)
  }
}

// MARK: - Who comes

extension Replays {
  private static func entrants(
    _ plan: ApprovedPlan, _ period: Replay.Period, _ project: ProjectSettings, visible: SQL,
    in tx: Transaction
  ) throws -> [ReplayEntrant] {
    switch plan.document.trigger {
    case .event(let trigger):
      return try events(trigger, plan, period, project, visible: visible, in: tx)
    case .once(_, let at):
      let at = at ?? period.from
      guard period.from <= at, at < period.until else { return [] }
      return try crowd(
        [Occurrence(at: at, zone: project.timeZone)], plan, project, visible: visible, in: tx)
    case .recurring, .date:
      guard let recurrence = plan.document.trigger.recurrence else { return [] }
      let zones = try recurrence.zone.map { [$0] } ?? UserZoneStore.inUse(project, in: tx)
      let firings = zones.flatMap { name -> [Occurrence] in
        guard let zone = TimeZone(identifier: name) else { return [] }
        let end = min(period.until, recurrence.until ?? period.until)
        return recurrence.schedule.all(
          after: period.from.addingTimeInterval(-0.001), through: end, in: zone,
          limit: Replay.mostEntries
        ).filter { $0 < period.until }.map { Occurrence(at: $0, zone: name) }
      }
      return try crowd(
        firings.sorted { ($0.at, $0.zone) < ($1.at, $1.zone) }, plan, project, visible: visible,
        in: tx)
    case .api, .scene:
      throw HeraldError(
        .wrongState,
        "Nobody knows any more which calls and scenes there were: only plans whose trigger is an "
          + "event, a date or a segment can be replayed.")
    }
  }

  private static func events(
    _ trigger: EventTrigger, _ plan: ApprovedPlan, _ period: Replay.Period,
    _ project: ProjectSettings, visible: SQL, in tx: Transaction
  ) throws -> [ReplayEntrant] {
    let found = try ReplayStore.events(
      trigger.event, period, visible: visible, limit: Replay.mostEntries, in: tx)
    guard found.count <= Replay.mostEntries else { throw tooMany }
    let isLocal = trigger.filters.contains(where: \.isLocal)
    let zones = isLocal ? try UserZoneStore.zones(of: found.map(\.user), project, in: tx) : [:]
    let key = plan.document.reentry?.key
    return found.filter { event in
      trigger.filters.allSatisfy {
        $0.holds(for: event.properties, at: event.at, zone: zones[event.user] ?? .gmt)
      }
    }.map { event in
      ReplayEntrant(
        user: event.user, at: event.at, event: event, key: key.flatMap { event.properties[$0] })
    }
  }

  private static func crowd(
    _ occurrences: [Occurrence], _ plan: ApprovedPlan, _ project: ProjectSettings, visible: SQL,
    in tx: Transaction
  ) throws -> [ReplayEntrant] {
    var entrants: [ReplayEntrant] = []
    for occurrence in occurrences {
      let members = try plan.crowd(at: occurrence, now: occurrence.at, project, in: tx)
      let crowd = try ReplayStore.crowd(
        "(\(members)) AND (\(visible))", limit: Replay.mostEntries - entrants.count, in: tx)
      entrants += crowd.map { ReplayEntrant(user: $0, at: occurrence.at) }
      guard entrants.count <= Replay.mostEntries else { throw tooMany }
    }
    return entrants
  }

  private static var tooMany: HeraldError {
    HeraldError(
      .conflict,
      "More than \(Replay.mostEntries) entries lie in this period; replay a shorter one.",
      pointer: "/until")
  }
}
