import JSON

extension CouponRoutes {
  static let components: JSONObject = [
    "Money": money, "Coupon": coupon, "CouponDiscount": discount, "CouponValidity": validity,
    "CouponCode": code, "CouponCodesAdded": codesAdded, "CouponRedemption": redemption,
  ]

  static let request = Schema.object([
    "name": Schema.text(1...200), "discount": Schema.ref("CouponDiscount"),
    "valid": Schema.ref("CouponValidity"), "codes?": Schema.object(["generate": generation]),
    "per_user?": Schema.integer(1...1_000_000),
  ])

  static let redemptionRequest = Schema.object([
    "code": Schema.text(1...128), "user": Schema.text(1...320), "order_id": Schema.text(1...200),
    "order_value?": Schema.ref("Money"),
  ])

  private static let money = Schema.object([
    "amount": ["type": "string", "pattern": "^(0|[1-9][0-9]{0,11})(\\.[0-9]{1,3})?$"],
    "currency": ["type": "string", "pattern": "^[A-Z]{3}$"],
  ])

  private static let discount = Schema.oneOf([
    Schema.object([
      "type": Schema.choice([Discount.Name.amountOff.rawValue]), "value": Schema.ref("Money"),
      "minimum?": Schema.ref("Money"),
    ]),
    Schema.object([
      "type": Schema.choice([Discount.Name.percentOff.rawValue]),
      "value": ["type": "number", "exclusiveMinimum": 0, "maximum": 100],
      "minimum?": Schema.ref("Money"),
    ]),
    Schema.object([
      "type": Schema.choice([Discount.Name.freeItem.rawValue]), "item?": Schema.text(1...200),
      "minimum?": Schema.ref("Money"),
    ]),
    Schema.object([
      "type": Schema.choice([Discount.Name.freeShipping.rawValue]),
      "minimum?": Schema.ref("Money"),
    ]),
  ])

  private static let validity = Schema.oneOf([
    Schema.object(["from?": Schema.instant, "until": Schema.instant]),
    Schema.object(["days_after_issue": Schema.integer(1...3650)]),
  ])

  private static let generation = Schema.object([
    "count": Schema.integer(1...CodeGeneration.mostCodes),
    "pattern": ["type": "string", "pattern": "^[A-Z0-9#-]{4,64}$"],
  ])

  private static let coupon = Schema.object([
    "key": Schema.key, "name": Schema.string, "discount": Schema.ref("CouponDiscount"),
    "valid": Schema.ref("CouponValidity"),
    "codes": Schema.nullable(Schema.object(["generate": generation])),
    "per_user": Schema.integer(1...1_000_000),
    "counts": Schema.object([
      "codes": Schema.count, "issued": Schema.count, "redeemed": Schema.count,
      "left": Schema.count,
    ]),
    "version": Schema.count, "created_at": Schema.instant, "updated_at": Schema.instant,
  ])

  private static let code = Schema.object([
    "code": Schema.string, "state": Schema.choice(CouponCodeStore.State.allCases.map(\.rawValue)),
    "user": Schema.nullable(Schema.uuid), "delivery_id": Schema.nullable(Schema.uuid),
    "issued_at": Schema.nullable(Schema.instant), "valid_from": Schema.nullable(Schema.instant),
    "valid_until": Schema.nullable(Schema.instant),
  ])

  private static let codesAdded = Schema.object([
    "added": Schema.count, "duplicates": Schema.count,
    "rejected": Schema.array(
      Schema.object(["line": Schema.count, "code": Schema.string, "detail": Schema.string]),
      max: CouponCodeList.mostRejections),
  ])

  private static let redemption = Schema.object([
    "id": Schema.uuid, "coupon": Schema.key, "code": Schema.string, "user": Schema.uuid,
    "order_id": Schema.string, "redeemed_at": Schema.instant,
    "discount": Schema.ref("CouponDiscount"), "rolled_back_at?": Schema.instant,
  ])
}
