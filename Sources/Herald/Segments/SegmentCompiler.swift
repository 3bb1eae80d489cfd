import Conditions
import Foundation
import JSON
import Postgres

/// Turns conditions into SQL: the one place that does.
///
/// What comes out is a boolean expression over `u`, a row of `users`, that is never NULL and never
/// raises, whatever the database has. Nothing a person wrote becomes text: names, values and instants,
/// `now` too, are parameters. A property test holds each node to the meaning of `Condition.evaluate`.
enum SegmentCompiler {
  /// For how many people the predicate is asked at once.
  enum Shape: Sendable {
    /// For all or many: what needs counting is counted for everybody in one pass, and joined.
    case crowd
    /// For a handful, named by the surrounding statement: counting goes user by user.
    case few
  }

  /// Nodes after the segments a condition names have been put in its place; beyond, 422.
  static let maximumNodes = 2000
  /// Segments inside segments.
  static let maximumNesting = 32
  /// PostgreSQL takes 65,535; the surrounding statement has some of its own.
  static let maximumParameters = 50_000

  /// Boolean over alias `u` (`users`), never NULL. Conditions and lists of named segments come from
  /// `closure` alone. `group`: the subscription group that `reachable` asks about too.
  /// `moving`: whether events are on their way to the users they are of (`EventHistory.isMoving`).
  static func predicate(
    _ condition: Condition, closure: SegmentClosure, now: Date, projectZone: String,
    unknown: UnknownConsent = .standard, group: String? = nil, shape: Shape = .crowd,
    moving: Bool = false
  ) throws -> SQL {
    var compilation = Compilation(
      closure: closure, now: now, projectZone: projectZone, unknown: unknown, group: group,
      shape: shape, events: EventHistory.table(moving: moving))
    let predicate = try compilation.node(condition)
    guard predicate.parameters.count <= maximumParameters else {
      throw HeraldError.segmentTooLarge
    }
    return predicate
  }

  /// Where the person is taken to be, as `HomeZone` has it. SQL text over alias `u`.
  static func zone(projectZone: String) -> SQL {
    Compilation(
      closure: .empty, now: .distantPast, projectZone: projectZone, unknown: .standard, shape: .few
    ).userZone("u")
  }

  /// Booleans over alias `e` (`events`) of a user under alias `u`.
  static func event(_ filters: [PropertyCondition], now: Date, projectZone: String) -> [SQL] {
    Compilation(
      closure: .empty, now: now, projectZone: projectZone, unknown: .standard, shape: .few
    ).filters(filters, "e", person: "u")
  }
}

private struct Compilation {
  let closure: SegmentClosure
  let now: Date
  let projectZone: String
  let unknown: UnknownConsent
  var group: String?
  let shape: SegmentCompiler.Shape
  var events: SQL = EventHistory.table(moving: false)
  var nodes = 0
  /// The named segments around the node at hand.
  var path: [String] = []

  mutating func node(_ condition: Condition) throws -> SQL {
    nodes += 1
    guard nodes <= SegmentCompiler.maximumNodes else { throw HeraldError.segmentTooLarge }
    switch condition {
    case .all(let parts): return try joined(parts, separator: " AND ", none: "TRUE")
    case .any(let parts): return try joined(parts, separator: " OR ", none: "FALSE")
    case .not(let part): return "(NOT \(try node(part)))"
    case .attribute(let test):
      let tests = test.comparisons.map { self.test($0, "u.attributes -> \(test.key)", person: "u") }
      return tests.count == 1 ? tests[0] : "(\(Self.every(tests)))"
    case .tag(let test): return tag(test)
    case .event(let test): return event(test)
    case .sequence(let test): return sequence(test)
    case .consent(let test): return consent(test)
    case .reachable(let channel): return reachable(channel)
    case .segment(let key): return try segment(key)
    case .received(let test): return received(test)
    case .bucket(let test):
      return """
        (herald_bucket(\(test.salt), u.id::text) BETWEEN \(Int32(clamping: test.range.lowerBound)) \
        AND \(Int32(clamping: test.range.upperBound)))
        """
    }
  }

  private mutating func joined(
    _ parts: [Condition], separator: StaticString, none: SQL
  ) throws -> SQL {
    guard !parts.isEmpty else { return none }
    var compiled: [SQL] = []
    for part in parts { compiled.append(try node(part)) }
    return compiled.count == 1 ? compiled[0] : "(\(SQL.joined(compiled, separator: separator)))"
  }

  private static func every(_ tests: [SQL]) -> SQL {
    tests.isEmpty ? "TRUE" : SQL.joined(tests, separator: " AND ")
  }

  /// Whether somebody of whom nothing is known satisfies a leaf.
  private func holdsOfNobody(_ leaf: Condition) -> Bool {
    leaf.holds(for: PersonFacts(userID: "", zone: .gmt), at: now)
  }
}

// MARK: - Values

extension Compilation {
  /// A comparison of the jsonb expression `value`, where SQL's NULL and JSON's null are absent.
  /// `person` is the alias of the users row whose zone counts.
  fileprivate func test(_ comparison: Comparison, _ value: SQL, person: StaticString) -> SQL {
    switch comparison {
    case .eq(let operand): return "((\(value)) = \(JSONB(operand))) IS TRUE"
    case .ne(let operand): return "((\(value)) = \(JSONB(operand))) IS NOT TRUE"
    case .isIn(let operands): return "((\(value)) = ANY(\(operands.map { JSONB($0) }))) IS TRUE"
    case .notIn(let operands):
      return "((\(value)) = ANY(\(operands.map { JSONB($0) }))) IS NOT TRUE"
    case .gt(let operand): return ordered(value, ">", operand)
    case .gte(let operand): return ordered(value, ">=", operand)
    case .lt(let operand): return ordered(value, "<", operand)
    case .lte(let operand): return ordered(value, "<=", operand)
    case .between(let low, let high):
      return "(\(ordered(value, ">=", low)) AND \(ordered(value, "<=", high)))"
    case .exists(true): return "(jsonb_typeof(\(value)) <> 'null') IS TRUE"
    case .exists(false): return "(jsonb_typeof(\(value)) <> 'null') IS NOT TRUE"
    case .contains(let operand): return contains(value, operand)
    case .startsWith(let prefix): return text(value, "starts_with(\(Self.text(value)), \(prefix))")
    case .matchesDay(let day):
      return text(
        value,
        "herald_matches_day(\(Self.text(value)), \(userZone(person)), \(date(day, person)))")
    case .before(let moment):
      return text(value, "\(Self.moment(value, userZone(person))) < \(instant(moment, person))")
    case .after(let moment):
      return text(value, "\(Self.moment(value, userZone(person))) > \(instant(moment, person))")
    }
  }

  /// Numbers compare as numeric inside jsonb, which never raises; strings by bytes.
  private func ordered(_ value: SQL, _ sign: SQL, _ operand: JSONValue) -> SQL {
    switch operand {
    case .number:
      return "(jsonb_typeof(\(value)) = 'number' AND (\(value)) \(sign) \(JSONB(operand))) IS TRUE"
    case .string(let bound):
      return text(value, #"\#(Self.text(value)) COLLATE "C" \#(sign) \#(bound)"#)
    default: return "FALSE"
    }
  }

  /// An array with this element, or a text with this text in it.
  private func contains(_ value: SQL, _ operand: JSONValue) -> SQL {
    // The containment of a scalar in an array looks at its elements only, not deeper.
    let element: SQL = "(jsonb_typeof(\(value)) = 'array' AND (\(value)) @> \(JSONB(operand)))"
    guard let part = operand.stringValue else { return "\(element) IS TRUE" }
    return """
      (\(element) OR jsonb_typeof(\(value)) = 'string' \
      AND strpos(\(Self.text(value)), \(part)) > 0) IS TRUE
      """
  }

  /// A test that holds of strings only.
  private func text(_ value: SQL, _ test: SQL) -> SQL {
    "(jsonb_typeof(\(value)) = 'string' AND \(test)) IS TRUE"
  }

  private static func text(_ value: SQL) -> SQL { "((\(value)) #>> '{}')" }

  private static func moment(_ value: SQL, _ zone: SQL) -> SQL {
    "herald_moment(\(text(value)), \(zone))"
  }

  private func instant(_ moment: Moment, _ person: StaticString) -> SQL {
    switch moment {
    case .instant(let date): "\(date)"
    case .day(let day): "(\(Self.date(day))::timestamp AT TIME ZONE \(userZone(person)))"
    case .now: "\(now)"
    case .ago(let span): "\(now.addingTimeInterval(-Double(span.seconds)))"
    case .ahead(let span): "\(now.addingTimeInterval(Double(span.seconds)))"
    }
  }

  /// The day of this or another year that `matches_day` asks for.
  private func date(_ day: DayOfYear, _ person: StaticString) -> SQL {
    let today: SQL = "(\(now) AT TIME ZONE \(userZone(person)))::date"
    switch day {
    case .daysFromNow(let count): return "(\(today) + \(Int32(clamping: count)))"
    // The day after 28 February: the 29th, or 1 March in a common year.
    case .monthDay(month: 2, day: 29):
      return "(make_date(extract(year FROM \(today))::integer, 2, 28) + 1)"
    case .monthDay(let month, let day):
      return """
        make_date(extract(year FROM \(today))::integer, \(Int32(clamping: month)), \
        \(Int32(clamping: day)))
        """
    case .day(let day): return Self.date(day)
    }
  }

  private static func date(_ day: CivilDay) -> SQL {
    "('1970-01-01'::date + \(Int32(clamping: day.daysSince1970)))"
  }

  fileprivate func userZone(_ person: StaticString) -> SQL {
    "coalesce(\(HomeZone.of(person)), \(zone(projectZone)))"
  }

  fileprivate func zone(_ name: String) -> SQL {
    "coalesce((SELECT z.name FROM time_zones AS z WHERE z.name = \(name)), 'UTC')"
  }
}

// MARK: - Tags, consent, reach, segments, history

extension Compilation {
  private func tag(_ test: TagCondition) -> SQL {
    let tests = Self.every(
      test.comparisons.map { comparison in
        switch comparison {
        case .exists(let expected): return expected ? "TRUE" : "FALSE"
        default: return self.test(comparison, "t.value", person: "u")
        }
      })
    let row: SQL = """
      SELECT FROM user_tags AS t WHERE t.user_id = u.id AND t.tag = \(test.key) \
      AND (t.expires_at IS NULL OR t.expires_at > \(now))
      """
    // Who satisfies the test without the tag fails it only by having the tag with another value.
    return holdsOfNobody(.tag(test))
      ? "(NOT EXISTS (\(row) AND NOT (\(tests))))"
      : test.comparisons == [.exists(true)] ? "EXISTS (\(row))" : "EXISTS (\(row) AND \(tests))"
  }

  private func consent(_ test: ConsentCondition) -> SQL {
    let row: SQL = """
      SELECT FROM consents AS c WHERE c.user_id = u.id AND c.channel = \(test.channel) \
      AND c.subscription_group = ''
      """
    return test.answer == .unknown
      ? "(NOT EXISTS (\(row) AND c.state <> 'unknown'))"
      : "EXISTS (\(row) AND c.state = \(test.answer.rawValue))"
  }

  private mutating func segment(_ key: String) throws -> SQL {
    if let version = closure.lists[key] {
      return """
        EXISTS (SELECT FROM segment_members AS m WHERE m.segment = \(key) AND m.user_id = u.id \
        AND m.from_version <= \(version) \
        AND (m.until_version IS NULL OR m.until_version > \(version)))
        """
    }
    guard let condition = closure.conditions[key], !path.contains(key) else {
      throw HeraldError(.unexpected, "Segment '\(key)' is missing from its closure, or in a cycle.")
    }
    guard path.count < SegmentCompiler.maximumNesting else { throw HeraldError.segmentTooLarge }
    path.append(key)
    defer { path.removeLast() }
    return try node(condition)
  }

  /// Deliveries stay on the id they were made for; those of the ids merged into this one count.
  private func received(_ test: ReceivedCondition) -> SQL {
    let sent: SQL = """
      d.run_id IN (SELECT r.id FROM runs AS r WHERE r.plan = \(test.plan)) AND d.status = 'sent' \
      AND \(window(test.within, "d.settled_at", person: "p"))
      """
    let needsZone = Self.isLocal(test.within)
    func people(_ user: SQL) -> SQL {
      needsZone ? " JOIN users AS p ON p.id = \(user)" : SQL.empty
    }
    return """
      EXISTS (SELECT FROM (\
      SELECT d.user_id FROM deliveries AS d\(people("d.user_id")) WHERE \(sent) UNION ALL \
      SELECT a.user_id FROM user_aliases AS a JOIN deliveries AS d ON d.user_id = a.alias_id\
      \(people("a.user_id")) WHERE \(sent)) AS s WHERE s.user_id = u.id)
      """
  }

  private func reachable(_ name: String) -> SQL {
    guard let channel = Channel(rawValue: name) else { return "FALSE" }
    return ReachPredicate(unknown: unknown, group: group).holds(channel)
  }
}

// MARK: - Events

extension Compilation {
  private func event(_ test: EventCondition) -> SQL {
    let isLocal =
      Self.isLocal(test.within)
      || test.filters.contains { $0.comparisons.contains(where: Self.isLocal) }
    func matching(person: StaticString) -> SQL {
      Self.every(
        ["e.name = \(test.name)", window(test.within, "e.ts", person: person)]
          + filters(test.filters, "e", person: person))
    }
    if test.measure == .count, let exists = Self.asksForExistence(test.comparisons) {
      let some: SQL = """
        EXISTS (SELECT FROM \(events) AS e WHERE e.user_id = u.id AND \(matching(person: "u")))
        """
      return exists ? some : "(NOT \(some))"
    }
    let measured = Self.every(test.comparisons.map { Self.compare(Self.measure(test.measure), $0) })
    if shape == .few {
      return """
        (SELECT \(measured) FROM \(events) AS e \
        WHERE e.user_id = u.id AND \(matching(person: "u")))
        """
    }
    // Who did nothing is in no group: where zero satisfies the test, those who fail it are sought.
    let zeroHolds = holdsOfNobody(.event(test))
    let people: SQL = isLocal ? " JOIN users AS p ON p.id = e.user_id" : ""
    let having: SQL = zeroHolds ? "NOT (\(measured))" : measured
    let groups: SQL = """
      EXISTS (SELECT FROM (SELECT e.user_id FROM \(events) AS e\(people) \
      WHERE \(matching(person: "p")) GROUP BY e.user_id HAVING \(having)) AS g \
      WHERE g.user_id = u.id)
      """
    return zeroHolds ? "(NOT \(groups))" : groups
  }

  /// True for "at least once", false for "never", nil for what needs counting.
  private static func asksForExistence(_ comparisons: [Comparison]) -> Bool? {
    guard comparisons.count == 1 else { return nil }
    return switch comparisons[0] {
    case .gte(1), .gt(0), .ne(0): true
    case .lt(1), .lte(0), .eq(0): false
    default: nil
    }
  }

  private static func measure(_ measure: EventCondition.Measure) -> SQL {
    switch measure {
    case .count: return "count(*)"
    case .sum(let property):
      // CASE decides before the cast is tried.
      let value: SQL = "e.properties -> \(property)"
      return """
        coalesce(sum(CASE WHEN jsonb_typeof(\(value)) = 'number' THEN (\(value))::numeric END), 0)
        """
    }
  }

  private static func compare(_ measured: SQL, _ comparison: Comparison) -> SQL {
    func number(_ operand: JSONValue) -> SQL { "\(operand.numberValue?.text ?? "NaN")::numeric" }
    return switch comparison {
    case .eq(let operand): "\(measured) = \(number(operand))"
    case .ne(let operand): "\(measured) <> \(number(operand))"
    case .gt(let operand): "\(measured) > \(number(operand))"
    case .gte(let operand): "\(measured) >= \(number(operand))"
    case .lt(let operand): "\(measured) < \(number(operand))"
    case .lte(let operand): "\(measured) <= \(number(operand))"
    case .between(let low, let high):
      "\(measured) BETWEEN \(number(low)) AND \(number(high))"
    // Parsing admits the numeric ones only.
    case .isIn, .notIn, .exists, .contains, .startsWith, .matchesDay, .before, .after: "FALSE"
    }
  }

  private func sequence(_ test: SequenceCondition) -> SQL {
    let last = test.steps.count - 1
    var tables: [SQL] = []
    var tests: [SQL] = []
    for (index, step) in test.steps.enumerated() {
      let links = chained(step, index)
      let table: SQL = "\(events) AS \(Self.alias(index))"
      if index == last, test.lastIsAbsent {
        if case .rolling(let span) = step.within {
          tests.append(
            "\(Self.alias(index - 1)).ts <= \(now.addingTimeInterval(-Double(span.seconds)))")
        }
        tests.append("NOT EXISTS (SELECT FROM \(table) WHERE \(Self.every(links)))")
      } else {
        tables.append(table)
        tests += links
      }
    }
    return """
      EXISTS (SELECT FROM \(SQL.joined(tables, separator: ", ")) WHERE \(Self.every(tests)))
      """
  }

  private static func alias(_ index: Int) -> SQL { "\(identifier: "e\(index + 1)")" }

  /// What ties a step's event to the user and to the event before.
  private func chained(_ step: SequenceCondition.Step, _ index: Int) -> [SQL] {
    let event = Self.alias(index)
    var tests: [SQL] = ["\(event).user_id = u.id", "\(event).name = \(step.name)"]
    if index == 0 {
      tests.append(window(step.within, "\(event).ts", person: "u"))
    } else {
      let before = Self.alias(index - 1)
      tests += ["\(event).ts <= \(now)", "\(event).ts > \(before).ts"]
      if case .rolling(let span) = step.within {
        tests.append(
          "\(event).ts <= \(before).ts + make_interval(secs => \(Double(span.seconds)))")
      }
      if let same = step.same {
        tests += [
          "\(event).properties -> \(same) = \(before).properties -> \(same)",
          "jsonb_typeof(\(event).properties -> \(same)) <> 'null'",
        ]
      }
    }
    return tests + filters(step.filters, event, person: "u")
  }

  fileprivate func filters(
    _ filters: [PropertyCondition], _ event: SQL, person: StaticString
  ) -> [SQL] {
    filters.flatMap { filter in
      filter.comparisons.map { test($0, "\(event).properties -> \(filter.key)", person: person) }
    }
  }

  /// Whether the column lies in a window that ends now.
  private func window(_ window: Window?, _ time: SQL, person: StaticString) -> SQL {
    switch window {
    case nil: return "\(time) <= \(now)"
    case .rolling(let span):
      return """
        \(time) > \(now.addingTimeInterval(-Double(span.seconds))) AND \(time) <= \(now)
        """
    case .calendar(let days, let zone):
      let zone = zone == .user ? userZone(person) : self.zone(zone.text)
      let first: SQL = "((\(now) AT TIME ZONE \(zone))::date - \(Int32(clamping: days - 1)))"
      // The earliest the window can begin anywhere is a bound that an index and partitions can use.
      let earliest = now.addingTimeInterval(-Double(days + 2) * 86_400)
      return """
        \(time) > \(earliest) AND \(time) <= \(now) \
        AND \(time) >= (\(first)::timestamp AT TIME ZONE \(zone))
        """
    }
  }

  private static func isLocal(_ window: Window?) -> Bool {
    if case .calendar(_, .user) = window { true } else { false }
  }

  private static func isLocal(_ comparison: Comparison) -> Bool {
    switch comparison {
    case .matchesDay, .before, .after: true
    default: false
    }
  }
}
