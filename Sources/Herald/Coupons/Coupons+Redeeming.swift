import Cryptography
import Foundation
import JSON
import Postgres

extension Coupons {
  /// Uses a code for an order, once: the same code and order again answer the same redemption. A
  /// code that does not exist, is not issued or is somebody else's is 404 without a difference.
  public func redeem(
    _ request: RedemptionRequest, by caller: Caller, now: Date
  ) async throws -> (redemption: Redemption, created: Bool) {
    try await db.write { tx in
      let user = try UserScope.load(request.user, for: caller, now: now, in: tx)
      let issued = try RedemptionStore.lock(request.code, in: tx).filter { $0.person == user }
      var refusal = HeraldError(
        .notFound, "This user has no such coupon code; check the code and the user.")
      // Codes of several coupons may read the same: the first that serves is taken.
      for (index, code) in issued.enumerated() {
        switch RedemptionRule.decide(code, request, now: now) {
        case .repeated(let redemption): return (redemption, false)
        case .refuse(let error): if index == 0 { refusal = error }
        case .redeem:
          let redemption = Redemption(
            id: UUIDv7.next(now: now), coupon: code.coupon, codeNumber: code.number,
            code: code.code, user: user, orderID: request.orderID, redeemedAt: now,
            rolledBackAt: nil, discount: code.discount)
          try RedemptionStore.insert(redemption, orderValue: request.orderValue, in: tx)
          return (redemption, true)
        }
      }
      throw refusal
    }
  }

  /// Makes a code usable again; once more answers the same.
  public func rollBack(
    _ id: UUID, by caller: Caller, now: Date
  ) async throws -> Redemption {
    try await db.write { tx in
      guard let redemption = try RedemptionStore.lock(id, in: tx),
        try !UserScope.visible([redemption.user], to: caller, now: now, in: tx).isEmpty
      else { throw HeraldError.notFound("redemption", id.text) }
      if redemption.rolledBackAt != nil { return redemption }
      try RedemptionStore.rollBack(redemption, now: now, in: tx)
      try AuditStore.append(
        AuditEntry(
          "coupon.redemption_rolled_back", "coupon_redemption", id.text,
          before: ["coupon": .string(redemption.coupon), "order_id": .string(redemption.orderID)],
          by: caller, at: now), in: tx)
      return Redemption(
        id: redemption.id, coupon: redemption.coupon, codeNumber: redemption.codeNumber,
        code: redemption.code, user: redemption.user, orderID: redemption.orderID,
        redeemedAt: redemption.redeemedAt, rolledBackAt: now, discount: redemption.discount)
    }
  }
}
