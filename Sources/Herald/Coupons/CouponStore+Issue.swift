import Foundation
import JSON
import Postgres

extension CouponStore {
  struct Claim: Sendable {
    let user: UUID
    let delivery: UUID
    let plan: String
  }

  enum Issue: Sendable, Equatable {
    case issued(code: String, validUntil: Date?)
    case refused(SkipCode)
  }

  /// Why a try is undone and made again; its locks go with its savepoint.
  private enum Obstacle: Error {
    /// The first shard has too few: all are to be locked, in their order.
    case shardExhausted
    /// Another transaction gave a code to one of these people or deliveries meanwhile.
    case overtaken
  }

  private static let mostTries = 50

  /// Issues codes in the deliveries' own transaction, once for each delivery: one that has its code
  /// gets the same again. Claims are served in their order. The coupon is as it was approved.
  ///
  /// - Parameter budgets: plan to the most codes it may issue of this coupon in all; a plan without
  ///   a limit is absent.
  ///
  /// Locks the budgets by plan, then shards in ascending order, then writes by user; every
  /// transaction does so in this order, and one that serves several coupons takes them by key. So
  /// none waits in a circle. Needs READ COMMITTED: a second try must see what overtook the first.
  static func issue(
    _ coupon: Coupon, to claims: [Claim], budgets: [String: Int], now: Date, in tx: Transaction
  ) throws -> [UUID: Issue] {
    guard !claims.isEmpty else { return [:] }
    var locksAll = false
    for _ in 0..<mostTries {
      do {
        return try tx.savepoint {
          try issue(coupon, claims, budgets, locksAll: locksAll, now: now, in: tx)
        }
      } catch Obstacle.shardExhausted {
        locksAll = true
      } catch Obstacle.overtaken {
        continue
      }
    }
    throw HeraldError(
      .unavailable, "Too many others issue coupon '\(coupon.key)' to the same people at once.",
      retryAfter: 1)
  }

  private static func issue(
    _ coupon: Coupon, _ claims: [Claim], _ budgets: [String: Int], locksAll: Bool, now: Date,
    in tx: Transaction
  ) throws -> [UUID: Issue] {
    var issues = try known(coupon.key, claims.map(\.delivery), in: tx)
    var seen = Set(issues.keys)
    let open = claims.filter { seen.insert($0.delivery).inserted }
    guard !open.isEmpty else { return issues }

    let plans = Set(open.map(\.plan)).filter { budgets[$0] != nil }.sorted(by: byBytes)
    let spent = try lockBudgets(coupon.key, plans, in: tx)
    var left: [String: Int] = [:]
    for plan in plans { left[plan] = max(0, (budgets[plan] ?? 0) - (spent[plan] ?? 0)) }
    var allocation = CouponAllocation(
      coupon, open, holdings: try holdings(coupon.key, open.map(\.user), in: tx), left: left,
      now: now)
    let numbers = try takeNumbers(
      coupon.key, allocation.grants.count, start: start(of: open), locksAll: locksAll, in: tx)
    allocation.limit(to: numbers.count)
    let written = try write(coupon, allocation.grants, numbers, now: now, in: tx)
    guard written.count == numbers.count else { throw Obstacle.overtaken }
    try spend(coupon.key, allocation.grants.map(\.claim.plan).filter { left[$0] != nil }, in: tx)

    issues.merge(written) { known, _ in known }
    for (delivery, code) in allocation.refusals { issues[delivery] = .refused(code) }
    return issues
  }

  /// Batches begin at shards of their own, so that they seldom wait for each other.
  private static func start(of claims: [Claim]) -> Int {
    Int(claims.reduce(UInt8(0)) { $0 ^ $1.delivery.uuid.15 }) % CouponShard.count
  }

  /// Takes up to `wanted` numbers; fewer only when the stock is at its end, with every shard locked.
  private static func takeNumbers(
    _ coupon: String, _ wanted: Int, start: Int, locksAll: Bool, in tx: Transaction
  ) throws -> [Int] {
    guard wanted > 0 else { return [] }
    let shards = try lockShards(coupon, locksAll ? nil : start, in: tx)
    var numbers: [Int] = []
    var changed: [CouponShard] = []
    let first = shards.filter { $0.shard == start }
    for var shard in first + shards.filter({ $0.shard != start }) {
      let taken = shard.take(wanted - numbers.count)
      guard !taken.isEmpty else { continue }
      numbers += taken
      changed.append(shard)
    }
    guard numbers.count == wanted || locksAll else { throw Obstacle.shardExhausted }
    try advance(coupon, changed, in: tx)
    return numbers
  }

  static func byBytes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }
}

// MARK: - SQL

extension CouponStore {
  private static func known(
    _ coupon: String, _ deliveries: [UUID], in tx: Transaction
  ) throws -> [UUID: Issue] {
    let rows = try tx.query(
      """
      SELECT delivery_id, code, valid_until FROM coupon_issues
      WHERE delivery_id = ANY(\(deliveries)) AND coupon = \(coupon)
      """)
    return try issued(rows)
  }

  private static func issued(_ rows: Rows) throws -> [UUID: Issue] {
    var issues: [UUID: Issue] = [:]
    issues.reserveCapacity(rows.count)
    for row in rows {
      issues[try row.get(0)] = .issued(code: try row.get(1), validUntil: try row.get(2))
    }
    return issues
  }

  /// What the people hold who stand for these users now, by user.
  private static func holdings(
    _ coupon: String, _ users: [UUID], in tx: Transaction
  ) throws -> [UUID: CouponAllocation.Holding] {
    // By coupon_issues_nth_key, for each user of each person.
    let rows = try tx.query(
      """
      WITH n AS (
        SELECT u.id AS claimed, coalesce(a.user_id, u.id) AS person
        FROM (SELECT DISTINCT id FROM unnest(\(users)) AS id) AS u
        LEFT JOIN user_aliases a ON a.alias_id = u.id
      ), members AS (
        SELECT person, person AS id FROM n
        UNION SELECT n.person, a.alias_id FROM n JOIN user_aliases a ON a.user_id = n.person
      ), held AS (
        SELECT m.person, count(i.nth) AS held,
          coalesce(max(i.nth) FILTER (WHERE i.user_id = m.person), 0) AS top
        FROM members m LEFT JOIN coupon_issues i ON i.coupon = \(coupon) AND i.user_id = m.id
        GROUP BY m.person
      )
      SELECT n.claimed, n.person, held.held, held.top FROM n JOIN held USING (person)
      """)
    var holdings: [UUID: CouponAllocation.Holding] = [:]
    for row in rows {
      holdings[try row.get(0)] = CouponAllocation.Holding(
        person: try row.get(1), count: try row.get(2), top: try row.get(3))
    }
    return holdings
  }

  /// What the plans have issued. Locks their rows, in order; a first one counts what was issued
  /// before the plan had a limit.
  private static func lockBudgets(
    _ coupon: String, _ plans: [String], in tx: Transaction
  ) throws -> [String: Int] {
    guard !plans.isEmpty else { return [:] }
    var rows = try selectBudgets(coupon, plans, in: tx)
    if rows.count < plans.count {
      try tx.execute(
        """
        INSERT INTO coupon_budgets (plan, coupon, issued)
        SELECT n.plan, \(coupon), (
          SELECT count(*) FROM coupon_issues i WHERE i.coupon = \(coupon) AND i.plan = n.plan)
        FROM unnest(\(plans)) WITH ORDINALITY AS n (plan, position)
        WHERE NOT EXISTS (
          SELECT FROM coupon_budgets b WHERE b.plan = n.plan AND b.coupon = \(coupon))
        ORDER BY n.position
        ON CONFLICT (plan, coupon) DO NOTHING
        """)
      rows = try selectBudgets(coupon, plans, in: tx)
    }
    var spent: [String: Int] = [:]
    for row in rows { spent[try row.get(0)] = try row.get(1) }
    return spent
  }

  /// Codes of the coupon that the plan has issued, as its budget counts them.
  static func spent(_ coupon: String, by plan: String, in db: any Queryable) throws -> Int {
    let row = try db.one(
      """
      SELECT coalesce(
        (SELECT issued FROM coupon_budgets WHERE coupon = \(coupon) AND plan = \(plan)),
        (SELECT count(*) FROM coupon_issues WHERE coupon = \(coupon) AND plan = \(plan)))
      """)
    return try row?.get(0) ?? 0
  }

  private static func selectBudgets(
    _ coupon: String, _ plans: [String], in tx: Transaction
  ) throws -> Rows {
    try tx.query(
      """
      SELECT plan, issued FROM coupon_budgets
      WHERE coupon = \(coupon) AND plan = ANY(\(plans)) ORDER BY plan FOR UPDATE
      """)
  }

  private static func spend(_ coupon: String, _ plans: [String], in tx: Transaction) throws {
    guard !plans.isEmpty else { return }
    try tx.execute(
      """
      UPDATE coupon_budgets b SET issued = b.issued + n.more
      FROM (SELECT plan, count(*) AS more FROM unnest(\(plans)) AS plan GROUP BY plan) AS n
      WHERE b.plan = n.plan AND b.coupon = \(coupon)
      """)
  }

  /// One shard, or all in ascending order.
  private static func lockShards(
    _ coupon: String, _ shard: Int?, in tx: Transaction
  ) throws -> [CouponShard] {
    let rows = try tx.query(
      """
      SELECT shard, next_no, end_no FROM coupon_shards
      WHERE coupon = \(coupon) AND (\(shard)::bigint IS NULL OR shard = \(shard))
      ORDER BY shard FOR UPDATE
      """)
    return try rows.map { row in
      CouponShard(shard: try row.get(0), next: try row.get(1), end: try row.get(2))
    }
  }

  /// The shards must be locked.
  private static func advance(
    _ coupon: String, _ shards: [CouponShard], in tx: Transaction
  ) throws {
    guard !shards.isEmpty else { return }
    try tx.execute(
      """
      UPDATE coupon_shards s SET next_no = n.next_no
      FROM unnest(\(shards.map(\.shard)), \(shards.map(\.next))) AS n (shard, next_no)
      WHERE s.coupon = \(coupon) AND s.shard = n.shard
      """)
  }

  /// Fewer come back than were given when another transaction was faster; it has committed then,
  /// because the insertion waited for it.
  private static func write(
    _ coupon: Coupon, _ grants: [CouponAllocation.Grant], _ numbers: [Int], now: Date,
    in tx: Transaction
  ) throws -> [UUID: Issue] {
    guard !grants.isEmpty else { return [:] }
    let rows = try tx.query(
      """
      INSERT INTO coupon_issues (coupon, code_no, code, user_id, delivery_id, plan, nth, discount,
        issued_at, valid_from, valid_until)
      SELECT c.coupon, c.code_no, c.code, n.user_id, n.delivery_id, n.plan, n.nth,
        \(JSONB(coupon.discount.json)), \(now), \(coupon.valid.from(issuedAt: now)),
        \(coupon.valid.until(issuedAt: now))
      FROM unnest(\(numbers), \(grants.map(\.person)), \(grants.map(\.claim.delivery)),
        \(grants.map(\.claim.plan)), \(grants.map { Int32(clamping: $0.nth) }))
        AS n (code_no, user_id, delivery_id, plan, nth)
      JOIN coupon_codes c ON c.coupon = \(coupon.key) AND c.code_no = n.code_no
      ORDER BY n.user_id, n.nth
      ON CONFLICT DO NOTHING
      RETURNING delivery_id, code, valid_until
      """)
    return try issued(rows)
  }

  /// What earlier steps brought the people, as templates see it:
  /// `{step: {"coupon": {"code", "valid_from", "valid_until"}}}`. The latest delivery of a step counts.
  static func codes(
    _ people: [EnrolmentName], in db: any Queryable
  ) throws -> [EnrolmentName: JSONObject] {
    let people = Array(Set(people))
    guard !people.isEmpty else { return [:] }
    // By the primary key of deliveries, then coupon_issues_delivery_key.
    let rows = try db.query(
      """
      SELECT d.user_id, d.run_id, d.entry_key, d.step_id, i.code, i.valid_from, i.valid_until
      FROM unnest(\(people.map(\.user)), \(people.map(\.run)), \(people.map(\.entryKey)))
        AS n (user_id, run_id, entry_key)
      JOIN deliveries d ON d.user_id = n.user_id AND d.run_id = n.run_id
        AND d.entry_key = n.entry_key
      JOIN coupon_issues i ON i.delivery_id = d.id
      ORDER BY d.created_at, d.occurrence
      """)
    var codes: [EnrolmentName: JSONObject] = [:]
    for row in rows {
      let name = EnrolmentName(
        user: try row.get(0), run: try row.get(1), entryKey: try row.get(2))
      codes[name, default: [:]][try row.get(3)] = [
        "coupon": [
          "code": .string(try row.get(4)),
          "valid_from": .instant(try row.get(5, as: Date?.self)),
          "valid_until": .instant(try row.get(6, as: Date?.self)),
        ]
      ]
    }
    return codes
  }
}
