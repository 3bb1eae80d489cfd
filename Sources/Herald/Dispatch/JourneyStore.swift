import Foundation
import JSON
import Postgres

/// What steps ask about people: read set by set, for a batch.
enum JourneyStore {
  /// How a person came into a run.
  struct Entry: Sendable {
    /// Events after this happened after the entry.
    let since: Date
    let properties: JSONObject
  }

  static func entries(
    _ enrolments: [EnrolmentName], in db: any Queryable
  ) throws -> [EnrolmentName: Entry] {
    let enrolments = Array(Set(enrolments))
    guard !enrolments.isEmpty else { return [:] }
    // By the primary key, as in `EnrolmentStore.end`.
    let rows = try db.query(
      """
      SELECT e.user_id, e.run_id, e.entry_key, coalesce(e.since, e.entered_at) AS since,
        e."values" #> '{event,properties}' AS properties
      FROM unnest(\(enrolments.map(\.user)), \(enrolments.map(\.run)),
        \(enrolments.map(\.entryKey))) AS n (user_id, run_id, entry_key)
      JOIN enrolments e ON e.user_id = n.user_id AND e.run_id IS NOT DISTINCT FROM n.run_id
        AND e.entry_key = n.entry_key
      """)
    var entries: [EnrolmentName: Entry] = [:]
    for row in rows {
      entries[try EnrolmentName(row)] = Entry(
        since: try row.get("since"),
        properties: try row.optionalJSON("properties")?.objectValue ?? [:])
    }
    return entries
  }

  /// A person behind an enrolment, who may have been merged into another since.
  struct Person: Sendable {
    /// Who stands for them now.
    let standing: UUID
    /// That id and all that were merged into it: events may be under any of them.
    var ids: [UUID]
    /// Nil: the project's.
    let zone: String?
    let isErased: Bool
  }

  static func people(_ users: [UUID], in db: any Queryable) throws -> [UUID: Person] {
    let users = Array(Set(users))
    guard !users.isEmpty else { return [:] }
    let rows = try db.query(
      """
      SELECT n.id, s.id AS standing, p.id AS own, \(HomeZone.of("u")) AS zone,
        u.id IS NULL OR u.erased_at IS NOT NULL AS erased
      FROM unnest(\(users)) AS n (id)
      CROSS JOIN LATERAL (SELECT coalesce(
        (SELECT a.user_id FROM user_aliases a WHERE a.alias_id = n.id), n.id) AS id) s
      CROSS JOIN LATERAL (SELECT s.id UNION ALL
        SELECT a.alias_id FROM user_aliases a WHERE a.user_id = s.id) p (id)
      LEFT JOIN users u ON u.id = s.id
      """)
    var people: [UUID: Person] = [:]
    for row in rows {
      let id: UUID = try row.get("id")
      let own: UUID = try row.get("own")
      if people[id] == nil {
        people[id] = Person(
          standing: try row.get("standing"), ids: [own], zone: try row.get("zone"),
          isErased: try row.get("erased"))
      } else {
        people[id]?.ids.append(own)
      }
    }
    return people
  }

  /// Events of one name in (since, until] of one person.
  struct Question: Sendable {
    let ids: [UUID]
    let name: String
    let since: Date
    let until: Date
    /// Whether the first one will do, whatever its properties.
    let takesFirst: Bool
  }

  struct Happening: Sendable {
    let at: Date
    let properties: JSONObject
  }

  /// By the question's position, oldest first.
  static func events(
    _ questions: [Question], in db: any Queryable
  ) throws -> [Int: [Happening]] {
    let asked = questions.enumerated().flatMap { place, question in
      question.ids.map { (place: place, id: $0, question: question) }
    }
    guard !asked.isEmpty else { return [:] }
    // By the primary key of events.
    let rows = try db.query(
      """
      SELECT n.place, e.ts, e.properties
      FROM unnest(\(asked.map { Int32(clamping: $0.place) }), \(asked.map(\.id)),
        \(asked.map(\.question.name)), \(asked.map(\.question.since)),
        \(asked.map(\.question.until)), \(asked.map(\.question.takesFirst)))
        AS n (place, user_id, name, since, until, takes_first)
      CROSS JOIN LATERAL (
        SELECT v.ts, v.properties FROM events v
        WHERE v.user_id = n.user_id AND v.name = n.name AND v.ts > n.since AND v.ts <= n.until
        ORDER BY v.ts LIMIT CASE WHEN n.takes_first THEN 1 END) e
      ORDER BY n.place, e.ts
      """)
    var found: [Int: [Happening]] = [:]
    for row in rows {
      found[try row.get("place"), default: []].append(
        Happening(
          at: try row.get("ts"), properties: try row.json("properties").objectValue ?? [:]))
    }
    return found
  }

  /// Those of `users` for whom `predicate`, over `users u`, holds.
  static func holding(
    _ predicate: SQL, of users: [UUID], in db: any Queryable
  ) throws -> Set<UUID> {
    let rows = try db.query(
      """
      SELECT u.id FROM users u
      WHERE u.id = ANY(\(users)) AND u.erased_at IS NULL AND (\(predicate))
      """)
    return try rows.ids()
  }

  /// A send step that is behind somebody.
  struct Sent: Sendable {
    let id: UUID
    let status: DeliveryStatus?
    let reason: String?
  }

  /// The latest delivery of each step.
  static func sent(
    _ wanted: [(enrolment: EnrolmentName, step: String)], in db: any Queryable
  ) throws -> [EnrolmentName: [String: Sent]] {
    guard !wanted.isEmpty else { return [:] }
    let rows = try db.query(
      """
      SELECT d.user_id, d.run_id, d.entry_key, d.step_id, d.id, d.status, d.reason
      FROM unnest(\(wanted.map(\.enrolment.user)), \(wanted.map(\.enrolment.run)),
        \(wanted.map(\.enrolment.entryKey)), \(wanted.map(\.step)))
        AS n (user_id, run_id, entry_key, step_id)
      JOIN deliveries d ON d.user_id = n.user_id AND d.run_id IS NOT DISTINCT FROM n.run_id
        AND d.entry_key = n.entry_key AND d.step_id = n.step_id
      ORDER BY d.created_at, d.occurrence
      """)
    var sent: [EnrolmentName: [String: Sent]] = [:]
    for row in rows {
      sent[try EnrolmentName(row), default: [:]][try row.get("step_id")] = Sent(
        id: try row.get("id"), status: DeliveryStatus(rawValue: try row.get("status")),
        reason: try row.get("reason"))
    }
    return sent
  }
}
