import Foundation
import Postgres

/// Slots that scheduled runs hold for their crowds in advance.
enum CapReservationStore {
  /// Versions that hold slots, or may have to.
  static func plans(in db: any Queryable) throws -> [PlanVersionName] {
    // By plan_versions_reserving_idx.
    try db.query(
      """
      SELECT v.plan, v.version FROM plan_versions v JOIN plans p ON p.key = v.plan
      WHERE v.document #> '{pressure,reserve}' IS NOT NULL AND v.state IN ('approved', 'live')
        AND NOT p.paused
      ORDER BY v.plan, v.version
      """
    ).map { PlanVersionName(plan: try $0.get("plan"), version: try $0.get("version")) }
  }

  static func isMade(
    _ name: PlanVersionName, _ occurrence: String, in db: any Queryable
  ) throws -> Bool {
    try db.one(
      """
      SELECT 1 FROM cap_reserves WHERE plan = \(name.plan)
        AND plan_version = \(name.version)::integer AND occurrence = \(occurrence)
      """) != nil
  }

  /// What an occurrence of a plan holds for each of its crowd.
  struct Reserve: Sendable {
    let name: PlanVersionName
    let occurrence: String
    let slot: CapReservation
  }

  /// Holds a slot for everybody in `crowd` (over `users u`), once.
  static func make(_ reserve: Reserve, _ crowd: SQL, now: Date, in tx: Transaction) throws {
    let name = reserve.name
    let slot = reserve.slot
    let isNew = try tx.execute(
      """
      INSERT INTO cap_reserves (plan, plan_version, occurrence, made_at, until)
      VALUES (\(name.plan), \(name.version)::integer, \(reserve.occurrence), \(now), \(slot.until))
      ON CONFLICT DO NOTHING
      """)
    guard isNew == 1 else { return }
    try tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    try tx.execute(
      SQL(
        """
        INSERT INTO cap_reservations (user_id, plan, plan_version, occurrence, priority, channel,
          category, due_at, until)
        SELECT u.id, \(name.plan), \(name.version)::integer, \(reserve.occurrence),
          \(slot.priority)::smallint, \(slot.channel.rawValue), \(slot.category), \(slot.dueAt),
          \(slot.until)
        FROM users u WHERE u.erased_at IS NULL AND \(crowd)
        """
      ).unprepared())
  }

  /// What is held for these people by plans that are still to run or running.
  static func held(
    for people: [UUID], now: Date, in db: any Queryable
  ) throws -> [UUID: [CapReservation]] {
    var held: [UUID: [CapReservation]] = [:]
    for row in try db.query(
      """
      SELECT r.user_id, r.plan, r.priority, r.channel, r.category, r.due_at, r.until
      FROM cap_reservations r
      JOIN plan_versions v ON v.plan = r.plan AND v.version = r.plan_version
      WHERE r.user_id = ANY(\(people)) AND r.until > \(now) AND v.state IN ('approved', 'live')
      """)
    {
      guard let channel = Channel(rawValue: try row.get("channel")) else { continue }
      held[try row.get("user_id"), default: []].append(
        CapReservation(
          plan: try row.get("plan"), priority: try row.get("priority"), channel: channel,
          category: try row.get("category"), dueAt: try row.get("due_at"),
          until: try row.get("until")))
    }
    return held
  }

  /// Forgets what nobody holds any more; how many rows.
  static func prune(now: Date, in tx: Transaction) throws -> Int {
    try tx.execute(
      """
      WITH over AS (
        SELECT plan, plan_version, occurrence FROM cap_reserves WHERE until <= \(now)
          AND NOT is_pruned FOR UPDATE SKIP LOCKED
      ), gone AS (
        DELETE FROM cap_reservations r USING over o
        WHERE r.plan = o.plan AND r.plan_version = o.plan_version AND r.occurrence = o.occurrence
      )
      UPDATE cap_reserves c SET is_pruned = true FROM over o
      WHERE c.plan = o.plan AND c.plan_version = o.plan_version AND c.occurrence = o.occurrence
      """)
  }
}
