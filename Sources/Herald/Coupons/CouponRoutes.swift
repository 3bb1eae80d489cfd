import Foundation
import HTTP
import JSON

enum CouponRoutes {
  static func endpoints(_ coupons: Coupons) -> [Endpoint] {
    catalogue(coupons) + codes(coupons) + redemptions(coupons)
  }

  private static func catalogue(_ coupons: Coupons) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/coupons/{key}", .writers,
        Operation(
          "putCoupon",
          "Declare or change a coupon and make up the codes that are missing. What was issued keeps "
            + "its terms.", tag: "Coupons", request: request,
          responses: [200: Schema.ref("Coupon"), 201: Schema.ref("Coupon")],
          errors: [.preconditionFailed])
      ) { call in
        let key = try call.key("key")
        let definition = try call.read { reader, _ in CouponDefinition(key: key, reader) }
        let (coupon, created) = try await coupons.put(
          definition, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .coupon(coupon, created: created)
      },
      Endpoint(
        .get, "/v1/coupons", .readers,
        Operation(
          "listCoupons", "All coupons with their counts.", tag: "Coupons", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("Coupon"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        return .page(try await coupons.list(page), call.request) { $0.stored.json($0.counts) }
      },
      Endpoint(
        .get, "/v1/coupons/{key}", .readers,
        Operation(
          "getCoupon", "One coupon with its counts.", tag: "Coupons",
          responses: [200: Schema.ref("Coupon")], errors: [.notFound])
      ) { call in
        .coupon(try await coupons.get(call.path("key")))
      },
      Endpoint(
        .delete, "/v1/coupons/{key}", .writers,
        Operation(
          "deleteCoupon",
          "Delete a coupon; it is archived when it has codes or a plan names it. Issued codes stay "
            + "good.", tag: "Coupons", responses: [204: nil], errors: [.notFound])
      ) { call in
        try await coupons.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  private static func codes(_ coupons: Coupons) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/coupons/{key}/codes", .writers,
        Operation(
          "addCouponCodes",
          "Add codes: one a line, up to 1000000, with an optional heading `code`. Bad lines are "
            + "answered by their number and spoil nothing.",
          tag: "Coupons", request: Schema.string,
          requestTypes: ["text/csv", "text/plain"],
          responses: [200: Schema.ref("CouponCodesAdded")], errors: [.notFound]),
        body: .buffered(limit: 64 << 20)
      ) { call in
        let result = try await coupons.addCodes(
          call.request.body, to: call.path("key"), by: call.caller, now: call.now)
        return .json(200, result.json)
      },
      Endpoint(
        .get, "/v1/coupons/{key}/codes", .readers,
        Operation(
          "listCouponCodes", "The codes of a coupon; masked for analysts.", tag: "Coupons",
          query: Operation.paging + [
            .init(
              "state", Schema.choice(CouponCodeStore.State.allCases.map(\.rawValue)),
              "Only these; `issued` are those not redeemed.")
          ], responses: [200: Schema.page(Schema.ref("CouponCode"))], errors: [.notFound])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let state = try call.request.choice(
          "state", CouponCodeStore.State.allCases.map(\.rawValue))
        let codes = try await coupons.codes(
          of: call.path("key"), page, state: state.flatMap(CouponCodeStore.State.init),
          for: call.caller, now: call.now)
        return .page(codes, call.request) { $0.json(masked: call.caller.seesMasked) }
      },
    ]
  }

  private static func redemptions(_ coupons: Coupons) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/coupons/redemptions", .writers,
        Operation(
          "redeemCoupon",
          "Use a code for an order. The same code and order again answer the same redemption.",
          tag: "Coupons", request: redemptionRequest,
          responses: [
            200: Schema.ref("CouponRedemption"), 201: Schema.ref("CouponRedemption"),
          ],
          errors: [
            .notFound, .alreadyRedeemed, .couponExpired, .couponNotYetValid, .couponCurrency,
            .minimumNotReached,
          ])
      ) { call in
        let request = try call.read { reader, _ in RedemptionRequest(reader) }
        let (redemption, created) = try await coupons.redeem(
          request, by: call.caller, now: call.now)
        return .json(created ? 201 : 200, redemption.json)
      },
      Endpoint(
        .post, "/v1/coupons/redemptions/{id}/rollback", .writers,
        Operation(
          "rollBackRedemption", "Make a redeemed code usable again, once.", tag: "Coupons",
          responses: [200: Schema.ref("CouponRedemption")], errors: [.notFound])
      ) { call in
        guard let id = UUID(uuidString: call.path("id")) else {
          throw HeraldError.notFound("redemption", call.path("id"))
        }
        return .json(
          200, try await coupons.rollBack(id, by: call.caller, now: call.now).json)
      },
    ]
  }
}

extension Response {
  fileprivate static func coupon(_ coupon: Coupons.Counted, created: Bool = false) -> Response {
    .resource(
      coupon.stored.json(coupon.counts), version: coupon.stored.version, created: created)
  }
}
