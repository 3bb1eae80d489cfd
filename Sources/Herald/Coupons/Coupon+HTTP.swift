import Foundation
import JSON

extension CouponDefinition {
  init?(key: String, _ reader: ObjectReader) {
    let coupon = Coupon(key: key, reader)
    var generation: CodeGeneration?
    if let codes = reader.object("codes") {
      if let object = codes.object("generate", required: true) {
        generation = CodeGeneration(object)
        object.finish()
      }
      codes.finish()
    }
    guard let coupon else { return nil }
    self.coupon = coupon
    self.generation = generation
  }
}

extension StoredCoupon {
  func json(_ counts: CouponCounts) -> JSONValue {
    var object: JSONObject = ["key": .string(coupon.key)]
    for (name, value) in coupon.termsJSON { object[name] = value }
    object["codes"] = generation.map { ["generate": $0.json] } ?? .null
    object["counts"] = [
      "codes": .int(counts.codes), "issued": .int(counts.issued),
      "redeemed": .int(counts.redeemed), "left": .int(counts.left),
    ]
    object["version"] = .int(version)
    object["created_at"] = .instant(createdAt)
    object["updated_at"] = .instant(updatedAt)
    return .object(object)
  }
}

extension CouponCodeImport {
  var json: JSONValue {
    let rejected = rejected.map { rejection -> JSONValue in
      [
        "line": .int(rejection.line), "code": .string(rejection.code),
        "detail": .string(rejection.detail),
      ]
    }
    return [
      "added": .int(added), "duplicates": .int(duplicates), "rejected": .array(rejected),
    ]
  }
}

extension CouponCodeStore.StoredCode {
  func json(masked: Bool) -> JSONValue {
    [
      "code": .string(masked ? UserMask.masked(code) : code), "state": .string(state.rawValue),
      "user": .optional(user?.text), "delivery_id": .optional(delivery?.text),
      "issued_at": .instant(issuedAt), "valid_from": .instant(validFrom),
      "valid_until": .instant(validUntil),
    ]
  }
}

extension RedemptionRequest {
  init?(_ reader: ObjectReader) {
    let text = reader.string("code", required: true, minLength: 1, maxLength: 128)
    let user = reader.userRef("user", required: true)
    let order = reader.string("order_id", required: true, minLength: 1, maxLength: 200)
    let value = reader.money("order_value", allowsZero: true)
    guard let text, let user, let order else { return nil }
    // What can be no code is a code that nobody has: 404 like any other.
    self.init(
      code: CouponCode.normalised(text) ?? "", user: user, orderID: order, orderValue: value)
  }
}

extension Redemption {
  var json: JSONValue {
    var object: JSONObject = [
      "id": .id(id), "coupon": .string(coupon), "code": .string(code), "user": .id(user),
      "order_id": .string(orderID), "redeemed_at": .instant(redeemedAt), "discount": discount,
    ]
    if let rolledBackAt { object["rolled_back_at"] = .instant(rolledBackAt) }
    return .object(object)
  }
}
