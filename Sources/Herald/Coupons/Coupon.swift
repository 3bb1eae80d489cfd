import Foundation
import JSON

/// A discount with its terms, of which many codes are issued.
public struct Coupon: Sendable, Equatable {
  /// When a code may be redeemed.
  public enum Validity: Sendable, Equatable {
    case window(from: Date?, until: Date)
    /// From its issue on, in days of 24 hours.
    case afterIssue(days: Int)
  }

  public let key: String
  public let name: String
  public let discount: Discount
  public let valid: Validity
  /// Most codes of this coupon one person may get, over all plans.
  public let perUser: Int

  /// From what an approval pinned.
  public init(key: String, manifest: JSONValue) throws {
    let faults = Faults()
    if let reader = ObjectReader(manifest, faults: faults), let coupon = Coupon(key: key, reader),
      faults.isEmpty
    {
      self = coupon
    } else {
      let first = faults.all.first.map { ": \($0)" } ?? "."
      throw HeraldError(.unexpected, "The stored coupon '\(key)' cannot be read\(first)")
    }
  }

  /// Notes what is wrong in the reader's faults; does not finish it.
  init?(key: String, _ reader: ObjectReader) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 200)
    var discount: Discount?
    if let object = reader.object("discount", required: true) {
      discount = Discount(object)
      object.finish()
    }
    var valid: Validity?
    if let object = reader.object("valid", required: true) {
      valid = Validity(object)
      object.finish()
    }
    let perUser = reader.has("per_user") ? reader.int("per_user", range: 1...1_000_000) : 1
    guard let name, let discount, let valid, let perUser else { return nil }
    self.key = key
    self.name = name
    self.discount = discount
    self.valid = valid
    self.perUser = perUser
  }

  /// Whether a code issued at `now` could never be redeemed.
  func isExpired(at now: Date) -> Bool {
    if case .window(_, let until) = valid { until <= now } else { false }
  }
}

extension Coupon.Validity {
  init?(_ reader: ObjectReader) {
    if reader.has("days_after_issue") {
      guard let days = reader.int("days_after_issue", required: true, range: 1...3650) else {
        return nil
      }
      self = .afterIssue(days: days)
      return
    }
    let from = reader.instant("from")
    guard let until = reader.instant("until", required: true) else { return nil }
    if let from, from >= until {
      reader.add(.outOfRange, "until", "The end lies after the beginning; move one of them.")
      return nil
    }
    self = .window(from: from, until: until)
  }

  var json: JSONValue {
    switch self {
    case .window(let from?, let until): ["from": .instant(from), "until": .instant(until)]
    case .window(nil, let until): ["until": .instant(until)]
    case .afterIssue(let days): ["days_after_issue": .int(days)]
    }
  }

  func from(issuedAt: Date) -> Date {
    if case .window(let from?, _) = self { from } else { issuedAt }
  }

  func until(issuedAt: Date) -> Date {
    switch self {
    case .window(_, let until): until
    case .afterIssue(let days): issuedAt.addingTimeInterval(Double(days) * 86_400)
    }
  }
}

/// A coupon of the catalogue with its place in time.
public struct StoredCoupon: Sendable {
  public let coupon: Coupon
  /// Absent when the codes are imported.
  public let generation: CodeGeneration?
  /// How many codes there are, issued or not.
  public let codes: Int
  public let version: Int
  public let createdAt: Date
  public let updatedAt: Date

  /// What an approval pins.
  var manifestJSON: JSONValue { .object(coupon.termsJSON) }
}

extension Coupon {
  var termsJSON: JSONObject {
    [
      "name": .string(name), "discount": discount.json, "valid": valid.json,
      "per_user": .int(perUser),
    ]
  }
}

/// What became of a coupon's codes. `codes` = `issued` + `left`; `issued` counts the redeemed too.
public struct CouponCounts: Sendable, Equatable {
  public var codes: Int
  public var issued: Int
  public var redeemed: Int
  public var left: Int
}
