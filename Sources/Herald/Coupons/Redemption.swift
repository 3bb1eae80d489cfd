import Foundation
import JSON

/// A wish to use a code for an order.
public struct RedemptionRequest: Sendable {
  /// Normalised.
  public let code: String
  public let user: UserRef
  public let orderID: String
  public let orderValue: Money?
}

/// A code used for an order.
public struct Redemption: Sendable {
  public let id: UUID
  public let coupon: String
  public let codeNumber: Int
  public let code: String
  public let user: UUID
  public let orderID: String
  public let redeemedAt: Date
  public let rolledBackAt: Date?
  public let discount: JSONValue
}

/// A code that somebody has.
struct IssuedCode: Sendable {
  enum State: String, CaseIterable {
    case issued, redeemed
  }

  let coupon: String
  let number: Int
  let code: String
  /// The person who has it now, after merges.
  let person: UUID
  let discount: JSONValue
  let validFrom: Date?
  let validUntil: Date?
  /// The redemption that stands, if any.
  let redemption: Redemption?
}

/// Whether a code may be redeemed.
enum RedemptionRule {
  enum Verdict {
    case redeem
    /// It was, for the same order.
    case repeated(Redemption)
    case refuse(HeraldError)
  }

  static func decide(_ issued: IssuedCode, _ request: RedemptionRequest, now: Date) -> Verdict {
    if let standing = issued.redemption {
      if standing.orderID.utf8.elementsEqual(request.orderID.utf8) { return .repeated(standing) }
      return .refuse(
        HeraldError(
          .alreadyRedeemed,
          "This code was redeemed for another order; roll that redemption back first."))
    }
    if let from = issued.validFrom, now < from {
      return .refuse(
        HeraldError(.couponNotYetValid, "This code is valid from \(from.rfc3339) on."))
    }
    if let until = issued.validUntil, now >= until {
      return .refuse(HeraldError(.couponExpired, "This code was valid until \(until.rfc3339)."))
    }
    if let fault = minimumFault(issued.discount, request.orderValue) { return .refuse(fault) }
    return .redeem
  }

  private static func minimumFault(_ discount: JSONValue, _ value: Money?) -> HeraldError? {
    guard let minimum = discount["minimum"], let amount = minimum["amount"]?.stringValue,
      let currency = minimum["currency"]?.stringValue,
      let least = Money(amount: amount, currency: currency)
    else { return nil }
    let place = JSONPointer(tokens: ["order_value"])
    guard let value else {
      return .invalid([
        JSONFault(.required, at: place, "This coupon has a minimum; send the order's value.")
      ])
    }
    guard value.currency == currency else {
      return HeraldError(
        .couponCurrency, "This coupon is for orders in \(currency).", pointer: "/order_value")
    }
    guard value.units >= least.units else {
      return HeraldError(
        .minimumNotReached, "This coupon is for orders from \(amount) \(currency) on.",
        pointer: "/order_value")
    }
    return nil
  }
}

extension ErrorCode {
  static let alreadyRedeemed = ErrorCode("already_redeemed", 409)
  static let couponExpired = ErrorCode("coupon_expired", 422)
  static let couponNotYetValid = ErrorCode("coupon_not_yet_valid", 422)
  static let couponCurrency = ErrorCode("currency_mismatch", 422)
  static let minimumNotReached = ErrorCode("minimum_not_reached", 422)
}
