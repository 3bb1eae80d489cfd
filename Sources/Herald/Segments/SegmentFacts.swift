import Conditions
import Foundation
import JSON
import Postgres

/// Loads what a condition asks about people, for evaluation in memory: explanations, and tests of
/// the compiler.
enum SegmentFacts {
  /// What to load: the condition's own references and those of the segments it names.
  struct Needs {
    let condition: Condition
    let closure: SegmentClosure

    init(_ condition: Condition, closure: SegmentClosure) {
      self.condition = condition
      self.closure = closure
    }

    fileprivate var references: [Condition.References] {
      [condition.referenced] + closure.conditions.values.map(\.referenced)
    }

    fileprivate func all(_ list: KeyPath<Condition.References, [String]>) -> [String] {
      Array(Set(references.flatMap { $0[keyPath: list] })).sorted()
    }
  }

  /// Nil for a user who does not exist or was erased. Reads every event the condition could count,
  /// however old.
  static func load(
    user: UUID, needs: Needs, now: Date, settings: ProjectSettings, in db: any Queryable
  ) throws -> PersonFacts? {
    try load(users: [user], needs: needs, now: now, settings: settings, in: db)[user]
  }

  static func load(
    users: [UUID], needs: Needs, now: Date, settings: ProjectSettings, in db: any Queryable
  ) throws -> [UUID: PersonFacts] {
    var people: [UUID: PersonFacts] = [:]
    let zones = try zones(of: users, projectZone: settings.timeZone, in: db)
    for (id, user) in try UserStore.find(users, now: now, in: db) {
      people[id] = PersonFacts(
        userID: id.text, zone: zones[id].flatMap(TimeZone.init(identifier:)) ?? .gmt,
        attributes: user.attributes, consents: user.answers,
        reachable: Set(user.reachable(settings.unknownConsent).map(\.rawValue)))
    }
    try addTags(needs.all(\.tags), to: &people, in: db)
    try addEvents(needs.all(\.events), to: &people, in: db)
    try addDeliveries(of: needs.all(\.plans), to: &people, in: db)
    try addLists(needs.closure.lists, to: &people, in: db)
    for id in people.keys {
      guard let person = people[id] else { continue }
      people[id] = try joined(person, needs, now: now)
    }
    return people
  }

  /// With the rule segments the person is a member of, inner ones first.
  private static func joined(
    _ person: PersonFacts, _ needs: Needs, now: Date
  ) throws -> PersonFacts {
    var person = person
    var decided = Set(needs.closure.lists.keys)
    func decide(_ key: String, depth: Int) throws {
      guard decided.insert(key).inserted else { return }
      guard let condition = needs.closure.conditions[key],
        depth < SegmentCompiler.maximumNesting
      else { throw HeraldError(.unexpected, "Segment '\(key)' is missing from its closure.") }
      for inner in condition.referenced.segments { try decide(inner, depth: depth + 1) }
      if condition.holds(for: person, at: now) { person.segments.insert(key) }
    }
    for key in needs.condition.referenced.segments { try decide(key, depth: 0) }
    return person
  }
}

extension User {
  fileprivate var answers: [String: ConsentCondition.Answer] {
    var answers: [String: ConsentCondition.Answer] = [:]
    for (channel, state) in consents {
      answers[channel.rawValue] = ConsentCondition.Answer(rawValue: state.rawValue)
    }
    return answers
  }
}

// MARK: - SQL

extension SegmentFacts {
  private static func zones(
    of users: [UUID], projectZone: String, in db: any Queryable
  ) throws -> [UUID: String] {
    let rows = try db.query(
      """
      SELECT u.id, \(SegmentCompiler.zone(projectZone: projectZone)) AS zone
      FROM users AS u WHERE u.id = ANY(\(users))
      """)
    var zones: [UUID: String] = [:]
    for row in rows { zones[try row.get("id")] = try row.get("zone", as: String.self) }
    return zones
  }

  private static func addTags(
    _ tags: [String], to people: inout [UUID: PersonFacts], in db: any Queryable
  ) throws {
    guard !tags.isEmpty else { return }
    let rows = try db.query(
      """
      SELECT user_id, tag, value, expires_at FROM user_tags
      WHERE user_id = ANY(\(Array(people.keys))) AND tag = ANY(\(tags))
      """)
    for row in rows {
      let id: UUID = try row.get("user_id")
      people[id]?.tags[try row.get("tag")] = PersonFacts.TagFact(
        value: try row.json("value"), expiresAt: try row.get("expires_at"))
    }
  }

  private static func addEvents(
    _ names: [String], to people: inout [UUID: PersonFacts], in db: any Queryable
  ) throws {
    guard !names.isEmpty else { return }
    let moving = try EventHistory.isMoving(in: db)
    let rows = try db.query(
      """
      SELECT user_id, name, ts, properties
      FROM \(EventHistory.table(moving: moving)) AS e
      WHERE user_id = ANY(\(Array(people.keys))) AND name = ANY(\(names))
      """)
    for row in rows {
      let id: UUID = try row.get("user_id")
      people[id]?.events.append(
        PersonFacts.EventFact(
          name: try row.get("name"), time: try row.get("ts"),
          properties: try row.json("properties").objectValue ?? [:]))
    }
  }

  private static func addDeliveries(
    of plans: [String], to people: inout [UUID: PersonFacts], in db: any Queryable
  ) throws {
    guard !plans.isEmpty else { return }
    // Deliveries stay on the id they were made for.
    let rows = try db.query(
      """
      SELECT n.user_id, r.plan, d.settled_at
      FROM (
        SELECT id AS user_id, id FROM unnest(\(Array(people.keys))) AS p (id)
        UNION ALL
        SELECT a.user_id, a.alias_id FROM user_aliases a
        WHERE a.user_id = ANY(\(Array(people.keys)))
      ) AS n
      JOIN deliveries d ON d.user_id = n.id
      JOIN runs r ON r.id = d.run_id
      WHERE r.plan = ANY(\(plans)) AND d.status = 'sent' AND d.settled_at IS NOT NULL
      """)
    for row in rows {
      let id: UUID = try row.get("user_id")
      people[id]?.received.append((plan: try row.get("plan"), time: try row.get("settled_at")))
    }
  }

  private static func addLists(
    _ lists: [String: Int], to people: inout [UUID: PersonFacts], in db: any Queryable
  ) throws {
    guard !lists.isEmpty else { return }
    let lists = lists.sorted { $0.key < $1.key }
    let rows = try db.query(
      """
      SELECT m.user_id, m.segment
      FROM unnest(\(lists.map(\.key)), \(lists.map(\.value))) AS l (segment, version)
      JOIN segment_members m ON m.segment = l.segment AND m.from_version <= l.version
        AND (m.until_version IS NULL OR m.until_version > l.version)
      WHERE m.user_id = ANY(\(Array(people.keys)))
      """)
    for row in rows {
      let id: UUID = try row.get("user_id")
      people[id]?.segments.insert(try row.get("segment"))
    }
  }
}
