import Conditions
import Foundation
import JSON
import Postgres

/// By which channels a plan's sends would reach the people of a crowd, and whom by none and why.
///
/// Of each step people go the way the gates would send them, as consents and addresses are now; of a
/// first step that sends, as the caps are now, too. Nobody knows how those stand when a later one comes.
struct DryRunReach {
  /// Why somebody is sent nothing, as far as it can be foreseen.
  private static let codes: [SkipCode] = [
    .denied, .noConsent, .suppressed, .noAddress, .capped, .minimumGap, .excluded,
  ]

  private let document: PlanDocument
  /// Of all links, each once.
  private let channels: [Channel]
  /// What makes each reachable, over `users u`.
  let conditions: [Channel: SQL]
  private let obstacles: [Channel: SQL]
  private let forecast: CapForecast?

  init(
    _ document: PlanDocument, plan: String, now: Date, project: ProjectSettings,
    in tx: Transaction
  ) throws {
    self.document = document
    channels = Channel.allCases.filter(document.channels.contains)
    let unknown =
      document.messageClass == .transactional
      ? UnknownConsent(allowed: Set(Channel.allCases)) : project.unknownConsent
    var conditions: [Channel: SQL] = [:]
    var obstacles: [Channel: SQL] = [:]
    for channel in channels {
      conditions[channel] = try SegmentCompiler.predicate(
        .reachable(channel: channel.rawValue), closure: .empty, now: now,
        projectZone: project.timeZone, unknown: unknown, group: document.category)
      obstacles[channel] = SegmentCompiler.obstacle(
        to: channel, unknown: unknown, group: document.category)
    }
    self.conditions = conditions
    self.obstacles = obstacles
    let isFirstSent = document.steps.first?.kind == .send
    forecast =
      isFirstSent
      ? CapForecast(
        document, plan: plan, caps: try CapStore.list(in: tx).map(\.cap), now: now,
        projectZone: project.timeZone) : nil
  }

  /// Queries that the crowd's is to be put behind, each with a comma; what it joins `users u` with.
  var queries: SQL { forecast.map { "used AS (\($0.used)), " } ?? SQL.empty }
  var joins: SQL { forecast == nil ? SQL.empty : "LEFT JOIN used ON used.person = u.id" }

  /// Further columns of the crowd, over `users u`; each with a comma before it.
  var columns: SQL {
    channels.enumerated().reduce(SQL.empty) { columns, place in
      let (index, channel) = place
      let reach: SQL = ", (\(conditions[channel] ?? "false")) AS \(Self.name("reach", index))"
      guard let forecast else { return columns + reach }
      return columns + reach
        + ", (\(forecast.refusal(on: channel))) AS \(Self.name("full", index))"
    }
  }

  /// Those of the people whom nothing reaches that say why, over the crowd as `u`.
  var reasons: SQL {
    let last = Set(document.steps.compactMap { $0.chain.last?.channel })
    return channels.enumerated().reduce(SQL.empty) { columns, place in
      let (index, channel) = place
      guard last.contains(channel) else { return columns }
      return columns + """
        , CASE WHEN u.fits AND NOT u.held AND NOT u.\(Self.name("reach", index))
          THEN \(obstacles[channel] ?? "NULL") END AS \(Self.name("why", index))
        """
    }
  }

  private static func name(_ kind: String, _ index: Int) -> SQL {
    "\(identifier: "\(kind)_\(index)")"
  }

  /// How people go through a step, over the crowd.
  private struct Way {
    /// By link: reached by it, and with room in the caps.
    var passes: [SQL] = []
    var reaches: [SQL] = []
    /// The code of what waits for room instead of being dropped, or NULL.
    var waits: SQL = "NULL::text"
    /// Why the last link does not go out.
    var code: SQL = "NULL::text"

    /// Nothing goes out now.
    var isStuck: SQL { "NOT (\(SQL.joined(passes, separator: " OR ")))" }
  }

  private func way(_ number: Int) -> Way {
    var way = Way()
    let chain = document.steps[number].chain
    let isForeseen = number == 0 && forecast != nil
    let deferring = [SkipCode.capped, .minimumGap, .excluded].filter {
      document.pressure.onHit($0) == .defer
    }.map(\.rawValue)
    var waits: [SQL] = []
    for link in chain {
      let index = channels.firstIndex(of: link.channel) ?? 0
      let reach = Self.name("reach", index)
      let full: SQL = isForeseen ? Self.name("full", index) : "NULL::text"
      way.reaches.append(reach)
      way.passes.append("(\(reach) AND \(full) IS NULL)")
      way.code = "CASE WHEN \(reach) THEN \(full) ELSE \(Self.name("why", index)) END"
      if isForeseen {
        waits.append("WHEN \(reach) AND \(full) = ANY(\(deferring)) THEN \(full)")
      }
    }
    if !waits.isEmpty { way.waits = "CASE \(SQL.joined(waits, separator: " ")) END" }
    return way
  }

  /// The counts of all steps, each with a comma before it.
  var counts: SQL {
    var counts: SQL = ""
    func count(_ condition: SQL, _ name: String) {
      counts =
        counts
        + ", count(*) FILTER (WHERE fits AND NOT held AND \(condition)) AS \(identifier: name)"
    }
    for (number, step) in document.steps.enumerated() where !step.chain.isEmpty {
      let way = way(number)
      for link in step.chain.indices {
        func first(_ tests: [SQL]) -> SQL {
          let earlier = tests.prefix(link).map { "NOT \($0)" as SQL }
          return SQL.joined(earlier + [tests[link]], separator: " AND ")
        }
        count(
          "(\(first(way.passes)) OR \(way.isStuck) AND \(way.waits) IS NOT NULL AND \(first(way.reaches)))",
          "n_\(number)_\(link)")
      }
      for code in Self.codes {
        count(
          "\(way.isStuck) AND \(way.waits) IS NULL AND \(way.code) = \(code.rawValue)",
          "lost_\(number)_\(code.rawValue)")
        count(
          "\(way.isStuck) AND \(way.waits) = \(code.rawValue)", "late_\(number)_\(code.rawValue)")
      }
    }
    return counts
  }

  /// What was counted.
  struct Found {
    /// By channel, summed over steps.
    var byChannel: [String: Int] = [:]
    var skipped: [String: Int] = [:]
    /// What waits until the caps have room.
    var deferred: [String: Int] = [:]
  }

  func read(_ row: Row) throws -> Found {
    var found = Found()
    func add(_ name: String, to counts: inout [String: Int], _ key: String) throws {
      let count: Int = try row.get(name)
      if count > 0 { counts[key, default: 0] += count }
    }
    for (number, step) in document.steps.enumerated() where !step.chain.isEmpty {
      for (place, link) in step.chain.enumerated() {
        try add("n_\(number)_\(place)", to: &found.byChannel, link.channel.rawValue)
      }
      for code in Self.codes.map(\.rawValue) {
        try add("lost_\(number)_\(code)", to: &found.skipped, code)
        try add("late_\(number)_\(code)", to: &found.deferred, code)
      }
    }
    return found
  }
}
