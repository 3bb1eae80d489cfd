import Foundation
import JSON
import Postgres

/// Which codes were used for which orders.
enum RedemptionStore {
  /// Everything issued under this code, which several coupons may have; locks it.
  static func lock(_ code: String, in tx: Transaction) throws -> [IssuedCode] {
    let locked = try tx.query(
      """
      SELECT i.coupon, i.code_no FROM coupon_codes c
      JOIN coupon_issues i ON i.coupon = c.coupon AND i.code_no = c.code_no
      WHERE c.code = \(code) ORDER BY i.coupon FOR UPDATE OF i
      """)
    // Read anew: what was waited for has changed.
    return try locked.flatMap { row in
      let coupon: String = try row.get("coupon")
      let number: Int = try row.get("code_no")
      return try tx.query(
        """
        SELECT i.coupon, i.code_no, i.code, coalesce(a.user_id, i.user_id) AS person, i.discount,
          i.valid_from, i.valid_until, r.id, r.user_id, r.order_id, r.redeemed_at, r.rolled_back_at
        FROM coupon_issues i
        LEFT JOIN user_aliases a ON a.alias_id = i.user_id
        LEFT JOIN coupon_redemptions r ON r.coupon = i.coupon AND r.code_no = i.code_no
          AND r.rolled_back_at IS NULL
        WHERE i.coupon = \(coupon) AND i.code_no = \(number)
        """
      ).map(IssuedCode.init)
    }
  }

  /// The issued code must be locked and have no redemption that stands.
  static func insert(
    _ redemption: Redemption, orderValue: Money?, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO coupon_redemptions (id, coupon, code_no, user_id, order_id, order_value,
        redeemed_at)
      VALUES (\(redemption.id), \(redemption.coupon), \(redemption.codeNumber),
        \(redemption.user), \(redemption.orderID), \(orderValue.map { JSONB($0.json) }),
        \(redemption.redeemedAt))
      """)
    try set(.redeemed, redemption, in: tx)
  }

  /// Locks the issued code, then reads.
  static func lock(_ id: UUID, in tx: Transaction) throws -> Redemption? {
    try tx.execute(
      """
      SELECT FROM coupon_issues i JOIN coupon_redemptions r
        ON r.coupon = i.coupon AND r.code_no = i.code_no
      WHERE r.id = \(id) FOR UPDATE OF i
      """)
    return try tx.one(
      """
      SELECT i.coupon, i.code_no, i.code, i.discount, r.id, r.user_id, r.order_id, r.redeemed_at,
        r.rolled_back_at
      FROM coupon_redemptions r
      JOIN coupon_issues i ON i.coupon = r.coupon AND i.code_no = r.code_no
      WHERE r.id = \(id)
      """
    ).map { try Redemption($0) }
  }

  static func rollBack(_ redemption: Redemption, now: Date, in tx: Transaction) throws {
    try tx.execute(
      "UPDATE coupon_redemptions SET rolled_back_at = \(now) WHERE id = \(redemption.id)")
    try set(.issued, redemption, in: tx)
  }

  private static func set(
    _ state: IssuedCode.State, _ redemption: Redemption, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE coupon_issues SET state = \(state.rawValue)
      WHERE coupon = \(redemption.coupon) AND code_no = \(redemption.codeNumber)
      """)
  }
}

extension IssuedCode {
  fileprivate init(_ row: Row) throws {
    coupon = try row.get("coupon")
    number = try row.get("code_no")
    code = try row.get("code")
    person = try row.get("person")
    discount = try row.json("discount")
    validFrom = try row.get("valid_from")
    validUntil = try row.get("valid_until")
    redemption = try row.get("id", as: UUID?.self) == nil ? nil : Redemption(row)
  }
}

extension Redemption {
  fileprivate init(_ row: Row) throws {
    id = try row.get("id")
    coupon = try row.get("coupon")
    codeNumber = try row.get("code_no")
    code = try row.get("code")
    user = try row.get("user_id")
    orderID = try row.get("order_id")
    redeemedAt = try row.get("redeemed_at")
    rolledBackAt = try row.get("rolled_back_at")
    discount = try row.json("discount")
  }
}
