import Foundation
import Postgres

/// The codes of coupons, numbered without a gap; and who has which.
enum CouponCodeStore {
  /// What a page of codes is asked for by.
  enum State: String, Sendable, CaseIterable {
    case unissued, issued, redeemed
  }

  struct StoredCode: Sendable {
    let number: Int
    let code: String
    let state: State
    /// Whom the person is now, after merges; nil as long as the code is unissued.
    let user: UUID?
    let delivery: UUID?
    let issuedAt: Date?
    let validFrom: Date?
    let validUntil: Date?
  }

  /// Adds those that the coupon does not have, in their order, numbered from `last` + 1; how many.
  /// The coupon must be locked, and the codes are unissued stock only after `open`.
  static func add(
    _ codes: [String], to coupon: String, after last: Int, in tx: Transaction
  ) throws -> Int {
    // Not ON CONFLICT, which would leave gaps in the numbers.
    try tx.execute(
      """
      INSERT INTO coupon_codes (coupon, code_no, code)
      SELECT \(coupon), \(last) + row_number() OVER (ORDER BY n.position), n.code
      FROM (
        SELECT u.code, min(u.position) AS position
        FROM unnest(\(codes)) WITH ORDINALITY AS u (code, position) GROUP BY u.code
      ) n
      WHERE NOT EXISTS (
        SELECT FROM coupon_codes c WHERE c.code = n.code AND c.coupon = \(coupon))
      """)
  }

  /// Makes the codes up to number `last` stock.
  static func open(_ coupon: String, upTo last: Int, in tx: Transaction) throws {
    try tx.execute("UPDATE coupons SET codes = \(last) WHERE key = \(coupon)")
    // The order of every transaction that locks several shards.
    try tx.execute(
      "SELECT FROM coupon_shards WHERE coupon = \(coupon) ORDER BY shard FOR UPDATE")
    try tx.execute("UPDATE coupon_shards SET end_no = \(last) WHERE coupon = \(coupon)")
  }

  /// By number. `scope`: a boolean over the alias `u` of `users`; codes of others stay out.
  static func list(
    _ coupon: String, _ page: PageRequest, state: State?, scope: SQL?, in db: any Queryable
  ) throws -> [StoredCode] {
    let after = page.after?.values.first.flatMap { Int($0) } ?? 0
    let visible: SQL =
      scope.map { scope in
        """
        (i.user_id IS NULL OR EXISTS (
          SELECT FROM users u
          WHERE u.id = coalesce(a.user_id, i.user_id) AND u.erased_at IS NULL AND (\(scope))))
        """
      } ?? "TRUE"
    let statement: SQL = """
      SELECT c.code_no, c.code, coalesce(i.state, 'unissued') AS state,
        coalesce(a.user_id, i.user_id) AS user_id, i.delivery_id, i.issued_at, i.valid_from,
        i.valid_until
      FROM coupon_codes c \(join(state))
      LEFT JOIN user_aliases a ON a.alias_id = i.user_id
      WHERE c.coupon = \(coupon) AND c.code_no > \(after) AND \(condition(coupon, state))
        AND \(visible)
      ORDER BY c.code_no LIMIT \(page.limit + 1)
      """
    return try db.query(scope == nil ? statement : statement.unprepared()).map(StoredCode.init)
  }

  private static func join(_ state: State?) -> SQL {
    switch state {
    case .issued, .redeemed:
      "JOIN coupon_issues i ON i.coupon = c.coupon AND i.code_no = c.code_no"
    case .unissued, nil:
      "LEFT JOIN coupon_issues i ON i.coupon = c.coupon AND i.code_no = c.code_no"
    }
  }

  private static func condition(_ coupon: String, _ state: State?) -> SQL {
    switch state {
    case .issued, .redeemed: "i.state = \(state?.rawValue)"
    case .unissued:
      // What lies before the shards' next numbers is issued and need not be looked at.
      """
      i.code_no IS NULL AND c.code_no >= (
        SELECT min(s.next_no) FROM coupon_shards s WHERE s.coupon = \(coupon))
      """
    case nil: "TRUE"
    }
  }
}

extension CouponCodeStore.StoredCode {
  init(_ row: Row) throws {
    number = try row.get("code_no")
    code = try row.get("code")
    state = CouponCodeStore.State(rawValue: try row.get("state")) ?? .issued
    user = try row.get("user_id")
    delivery = try row.get("delivery_id")
    issuedAt = try row.get("issued_at")
    validFrom = try row.get("valid_from")
    validUntil = try row.get("valid_until")
  }
}
