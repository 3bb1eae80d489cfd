import Foundation
import JSON
import Postgres

/// The catalogue of coupons; their codes are in `CouponCodeStore`, issuing in `CouponStore+Issue`.
enum CouponStore {
  private static let columns: SQL = """
    key, name, discount, valid, per_user, generation, codes, version, created_at, updated_at
    """

  /// Without those that are unknown or archived.
  static func find(_ keys: [String], in db: any Queryable) throws -> [String: StoredCoupon] {
    let rows = try db.query(
      "SELECT \(columns) FROM coupons WHERE key = ANY(\(keys)) AND archived_at IS NULL")
    var found: [String: StoredCoupon] = [:]
    for row in rows {
      let coupon = try StoredCoupon(row)
      found[coupon.coupon.key] = coupon
    }
    return found
  }

  static func load(_ key: String, in db: any Queryable) throws -> StoredCoupon {
    guard let coupon = try find([key], in: db)[key] else {
      throw HeraldError.notFound("coupon", key)
    }
    return coupon
  }

  /// Archived ones too: their codes are still there.
  static func findWithArchived(
    _ key: String, in db: any Queryable
  ) throws -> (coupon: StoredCoupon, isArchived: Bool)? {
    try db.one(
      "SELECT \(columns), archived_at IS NOT NULL AS archived FROM coupons WHERE key = \(key)"
    ).map { (try StoredCoupon($0), try $0.get("archived")) }
  }

  static func list(_ page: PageRequest, in db: any Queryable) throws -> [StoredCoupon] {
    try db.query(
      """
      SELECT \(columns) FROM coupons
      WHERE archived_at IS NULL AND key > \(page.after?.values[0] ?? "")
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(StoredCoupon.init)
  }

  /// Unissued codes.
  static func stock(_ key: String, in db: any Queryable) throws -> Int {
    try stock(of: [key], in: db)[key] ?? 0
  }

  /// Unissued codes of each that exists.
  static func stock(of keys: Set<String>, in db: any Queryable) throws -> [String: Int] {
    try counts(keys.sorted(), in: db).mapValues(\.left)
  }

  static func counts(
    _ keys: [String], in db: any Queryable
  ) throws -> [String: CouponCounts] {
    // Shard by shard, so that nobody counts a million codes; redemptions by their partial index.
    let rows = try db.query(
      """
      SELECT c.key, c.codes,
        (SELECT coalesce(sum(greatest(0, (s.end_no - s.next_no + 16) / 16)), 0)::bigint
          FROM coupon_shards s WHERE s.coupon = c.key) AS left,
        (SELECT count(*) FROM coupon_redemptions r
          WHERE r.coupon = c.key AND r.rolled_back_at IS NULL) AS redeemed
      FROM coupons c WHERE c.key = ANY(\(keys))
      """)
    var counts: [String: CouponCounts] = [:]
    for row in rows {
      let codes: Int = try row.get("codes")
      let left: Int = try row.get("left")
      counts[try row.get("key")] = CouponCounts(
        codes: codes, issued: codes - left, redeemed: try row.get("redeemed"), left: left)
    }
    return counts
  }

  /// Serialises changes of one coupon and its codes for the rest of the transaction; the row need
  /// not exist. Issuing does not wait for it.
  static func lock(_ key: String, in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('coupon:' || \(key)))")
  }

  /// Inserts, changes or revives, with shards for its codes.
  static func save(
    _ coupon: Coupon, _ generation: CodeGeneration?, now: Date, in tx: Transaction
  ) throws -> StoredCoupon {
    let row = try tx.one(
      """
      INSERT INTO coupons (key, name, discount, valid, per_user, generation, created_at, updated_at)
      VALUES (\(coupon.key), \(coupon.name), \(JSONB(coupon.discount.json)),
        \(JSONB(coupon.valid.json)), \(Int32(clamping: coupon.perUser)),
        \(generation.map { JSONB($0.json) }), \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET name = excluded.name, discount = excluded.discount,
        valid = excluded.valid, per_user = excluded.per_user, generation = excluded.generation,
        updated_at = excluded.updated_at, version = coupons.version + 1, archived_at = NULL
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The coupon was not stored.") }
    try tx.execute(
      """
      INSERT INTO coupon_shards (coupon, shard, next_no, end_no)
      SELECT \(coupon.key), s, s + 1, 0 FROM generate_series(0, 15) AS s
      ON CONFLICT (coupon, shard) DO NOTHING
      """)
    return try StoredCoupon(row)
  }

  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE coupons SET archived_at = \(now) WHERE key = \(key)")
  }

  /// Whether it has codes or a plan names it.
  static func isInUse(_ key: String, in db: any Queryable) throws -> Bool {
    try db.one(
      """
      SELECT 1 FROM coupons WHERE key = \(key) AND codes > 0
      UNION ALL
      SELECT 1 FROM plan_versions v WHERE jsonb_path_exists(v.document,
        '$.steps[*].send.chain[*].coupon ? (@ == $key)', jsonb_build_object('key', \(key)))
      LIMIT 1
      """) != nil
  }

  /// Only when it is not in use.
  static func delete(_ key: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM coupon_budgets WHERE coupon = \(key)")
    try tx.execute("DELETE FROM coupon_shards WHERE coupon = \(key)")
    try tx.execute("DELETE FROM coupons WHERE key = \(key)")
  }
}

extension StoredCoupon {
  init(_ row: Row) throws {
    let key: String = try row.get("key")
    coupon = try Coupon(
      key: key,
      manifest: [
        "name": .string(try row.get("name")), "discount": try row.json("discount"),
        "valid": try row.json("valid"), "per_user": .int(try row.get("per_user")),
      ])
    let faults = Faults()
    generation = try row.optionalJSON("generation").flatMap { json in
      ObjectReader(json, faults: faults).flatMap(CodeGeneration.init)
    }
    codes = try row.get("codes")
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
