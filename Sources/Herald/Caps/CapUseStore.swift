import Foundation
import Postgres

/// What was handed over, as the caps count it. Whoever decides by these rows holds the lock of each
/// person's lane from before the reading to the end of the transaction that writes.
enum CapUseStore {
  /// A use with whom it was for.
  struct Row: Sendable {
    let user: UUID
    let use: CapUse
  }

  /// Waits for the others who decide about people of these lanes; in one order, so that nobody waits
  /// for somebody who waits for them.
  static func lock(lanes: Set<Int>, in tx: Transaction) throws {
    try tx.execute(
      """
      SELECT pg_advisory_xact_lock(hashtext('herald_caps'), lane)
      FROM unnest(\(lanes.sorted().map(Int32.init(clamping:)))) AS lane
      """)
  }

  /// The same without waiting: those that were free.
  static func tryLock(lanes: Set<Int>, in tx: Transaction) throws -> Set<Int> {
    try lanes.filter { lane in
      try tx.one(
        "SELECT pg_try_advisory_xact_lock(hashtext('herald_caps'), \(lane)::integer)")?.get(0)
        ?? false
    }
  }

  /// Of each person since `horizon`, under whatever id of theirs; oldest first.
  static func uses(
    of people: [UUID], since horizon: Date, in db: any Queryable
  ) throws -> [UUID: [CapUse]] {
    guard !people.isEmpty else { return [:] }
    let rows = try db.query(
      """
      SELECT p.person, c.at, c.delivery_id, c.link, c.channel, c.category, c.plan, c.exclusion
      FROM (SELECT n.id AS person, n.id FROM unnest(\(people)) AS n (id)
        UNION ALL SELECT a.user_id, a.alias_id FROM user_aliases a
          WHERE a.user_id = ANY(\(people))) AS p
      JOIN cap_uses c ON c.user_id = p.id AND c.at >= \(horizon)
      ORDER BY c.at
      """)
    var uses: [UUID: [CapUse]] = [:]
    for row in rows {
      guard let channel = Channel(rawValue: try row.get(4)) else { continue }
      uses[try row.get(0), default: []].append(
        CapUse(
          at: try row.get(1), delivery: try row.get(2), link: try row.get(3), channel: channel,
          category: try row.get(5), plan: try row.get(6), exclusion: try row.get(7)))
    }
    return uses
  }

  static func insert(_ rows: [Row], in tx: Transaction) throws {
    guard !rows.isEmpty else { return }
    try tx.execute(
      """
      INSERT INTO cap_uses (user_id, at, delivery_id, link, channel, category, plan, exclusion)
      SELECT * FROM unnest(\(rows.map(\.user)), \(rows.map(\.use.at)),
        \(rows.map(\.use.delivery)), \(rows.map { Int16(clamping: $0.use.link) }),
        \(rows.map(\.use.channel.rawValue)), \(rows.map(\.use.category)), \(rows.map(\.use.plan)),
        \(rows.map(\.use.exclusion)))
      ON CONFLICT DO NOTHING
      """)
  }

  /// A slot, by who holds it.
  struct Holder: Hashable, Sendable {
    let user: UUID
    let delivery: UUID
    let link: Int
  }

  static func giveBack(_ holders: [Holder], in tx: Transaction) throws {
    guard !holders.isEmpty else { return }
    // By the primary key, which begins with the user; a person has few.
    try tx.execute(
      """
      DELETE FROM cap_uses c
      USING unnest(\(holders.map(\.user)), \(holders.map(\.delivery)),
        \(holders.map { Int16(clamping: $0.link) })) AS n (user_id, delivery_id, link)
      WHERE c.user_id = n.user_id AND c.delivery_id = n.delivery_id AND c.link = n.link
      """)
  }

  /// They leave only now: this is when they count.
  static func move(_ holders: [Holder], to now: Date, in tx: Transaction) throws {
    guard !holders.isEmpty else { return }
    try tx.execute(
      """
      UPDATE cap_uses c SET at = \(now)
      FROM unnest(\(holders.map(\.user)), \(holders.map(\.delivery)),
        \(holders.map { Int16(clamping: $0.link) })) AS n (user_id, delivery_id, link)
      WHERE c.user_id = n.user_id AND c.delivery_id = n.delivery_id AND c.link = n.link
        AND c.at < \(now)
      """)
  }
}
