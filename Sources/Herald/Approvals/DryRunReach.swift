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
  /// Nobody waits for room that comes after these.
  private let latest: (notAfter: Date?, window: Date?)

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
      obstacles[channel] = ReachPredicate(unknown: unknown, group: document.category)
        .obstacle(channel)
    }
    self.conditions = conditions
    self.obstacles = obstacles
    latest = (
      notAfter: document.steps.first?.notAfter.map { now.addingTimeInterval(Double($0.seconds)) },
      window: document.window?.until
    )
    let isFirstSent = document.steps.first?.kind == .send
    forecast =
      isFirstSent
      ? CapForecast(
        document, plan: plan, caps: try CapStore.list(in: tx).map(\.cap), now: now,
        projectZone: project.timeZone) : nil
  }

  /// Queries that the crowd's is to be put behind, each with a comma; what it joins `users u` with.
  var queries: SQL { forecast.map { "used AS (\($0.used)), " } ?? SQL.empty }
  var joins: SQL {
    guard let forecast else { return SQL.empty }
    return channels.enumerated().reduce("LEFT JOIN used ON used.person = u.id") { joins, place in
      joins
        + """
           LEFT JOIN LATERAL (\(forecast.refusal(on: place.element))) AS \(Self.name("cap", place.offset))
          ON used.person IS NOT NULL
        """
    }
  }

  /// Further columns of the crowd, over `users u`; each with a comma before it.
  var columns: SQL {
    channels.enumerated().reduce(SQL.empty) { columns, place in
      let (index, channel) = place
      let reach: SQL = ", (\(conditions[channel] ?? "false")) AS \(Self.name("reach", index))"
      guard forecast != nil else { return columns + reach }
      return columns + reach
        + ", \(Self.name("cap", index)).code AS \(Self.name("full", index))"
        + ", \(Self.name("cap", index)).until AS \(Self.name("until", index))"
    }
  }

  /// Those of the people whom nothing reaches that say why, over the crowd as `u`.
  var reasons: SQL {
    let last = Set(document.steps.compactMap { $0.chain.last?.channel })
    let late: SQL = forecast == nil ? SQL.empty : ", \(waits) AS late"
    return channels.enumerated().reduce(late) { columns, place in
      let (index, channel) = place
      guard last.contains(channel) else { return columns }
      return columns + """
        , CASE WHEN u.fits AND NOT u.held AND NOT u.\(Self.name("reach", index))
          THEN \(obstacles[channel] ?? "NULL") END AS \(Self.name("why", index))
        """
    }
  }

  /// The code of what keeps a first send waiting for room, at the link that has some first; NULL for
  /// what does not wait.
  private var waits: SQL {
    let codes = [SkipCode.capped, .minimumGap, .excluded].filter {
      document.pressure.onHit($0) == .defer
    }.map(\.rawValue)
    let links = (document.steps.first?.chain ?? []).map { link -> SQL in
      let index = channels.firstIndex(of: link.channel) ?? 0
      let until = Self.name("until", index)
      var tests: [SQL] = [
        Self.name("reach", index), "\(Self.name("full", index)) = ANY(\(codes))",
      ]
      if let end = latest.notAfter { tests.append("\(until) <= \(end)") }
      if let end = latest.window { tests.append("\(until) < \(end)") }
      return "(\(SQL.joined(tests, separator: " AND ")), \(Self.name("full", index)), \(until))"
    }
    return """
      (SELECT w.code FROM (VALUES \(SQL.joined(links, separator: ", "))) AS w (waits, code, until)
        WHERE w.waits ORDER BY w.until LIMIT 1)
      """
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
    if isForeseen { way.waits = "late" }
    for link in chain {
      let index = channels.firstIndex(of: link.channel) ?? 0
      let reach = Self.name("reach", index)
      let full: SQL = isForeseen ? Self.name("full", index) : "NULL::text"
      way.reaches.append(reach)
      way.passes.append("(\(reach) AND \(full) IS NULL)")
      way.code = "CASE WHEN \(reach) THEN \(full) ELSE \(Self.name("why", index)) END"
    }
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
