import Conditions
import Foundation
import HTTP
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Redeeming coupons")
struct RedemptionTests {
  private struct Shop {
    let db: Database
    let user: UUID
    let code: String

    func redeem(
      _ code: String? = nil, user: String? = nil, order: String = "o-1", value: String? = "100.00",
      currency: String = "CNY", now: Date = CouponFixture.now
    ) async throws -> (status: Int, json: JSONValue) {
      var body: JSONObject = [
        "code": .string(code ?? self.code), "user": .string(user ?? self.user.text),
        "order_id": .string(order),
      ]
      if let value {
        body["order_value"] = ["amount": .string(value), "currency": .string(currency)]
      }
      let answer = try await CouponFixture.call(
        db, .post, "/v1/coupons/redemptions", body: JSONValue.object(body).bytes, now: now)
      return (answer.response.status, answer.json)
    }

    func rollBack(_ id: JSONValue?) async throws -> (status: Int, json: JSONValue) {
      let answer = try await CouponFixture.call(
        db, .post, "/v1/coupons/redemptions/{id}/rollback", ["id": id?.stringValue ?? ""])
      return (answer.response.status, answer.json)
    }
  }

  private func withShop(_ body: (Shop) async throws -> Void) async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 10))
      let user = UUID()
      try await db.write { try UserStore.insertBare([user], now: CouponFixture.now, in: $0) }
      let claim = CouponStore.Claim(user)
      let issues = try await CouponFixture.issue(db, coupon, [claim])
      try await body(
        Shop(db: db, user: user, code: try #require(issues[claim.delivery]?.code)))
    }
  }

  @Test("answers the same for the same order, and 409 for another")
  func idempotent() async throws {
    try await withShop { shop in
      let first = try await shop.redeem(" \(shop.code.lowercased()) ")
      #expect(first.status == 201)
      #expect(first.json["coupon"] == "w26")
      #expect(first.json["code"]?.stringValue == shop.code)
      #expect(first.json["user"]?.stringValue == shop.user.text)
      #expect(first.json["discount"] == CouponFixture.document["discount"])
      let again = try await shop.redeem(now: CouponFixture.now.addingTimeInterval(30 * 86_400))
      #expect(again.status == 200)
      #expect(again.json == first.json)
      let other = try await shop.redeem(order: "o-2")
      #expect(other.status == 409)
      #expect(other.json["code"] == "already_redeemed")
      #expect(try await CouponFixture.counts(shop.db).redeemed == 1)
    }
  }

  @Test("is done once when many tills do it at once")
  func concurrent() async throws {
    try await withShop { shop in
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<16 {
          group.addTask { try await shop.redeem(order: "o-\(number % 2)").status }
        }
        return try await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
      }
      #expect(statuses == [201: 1, 200: 7, 409: 8])
    }
  }

  @Test("can be rolled back once, after which the code is usable again")
  func rollback() async throws {
    try await withShop { shop in
      let first = try await shop.redeem()
      let back = try await shop.rollBack(first.json["id"])
      #expect(back.status == 200)
      #expect(back.json["rolled_back_at"]?.stringValue != nil)
      let second = try await shop.redeem(order: "o-2")
      #expect(second.status == 201)
      // Once more changes nothing about the redemption that stands now.
      let again = try await shop.rollBack(first.json["id"])
      #expect(again.json == back.json)
      #expect(try await shop.redeem(order: "o-2").status == 200)
      #expect(try await CouponFixture.counts(shop.db).redeemed == 1)
      #expect(try await shop.rollBack("nope").status == 404)
      #expect(try await shop.rollBack(.id(UUID())).status == 404)
    }
  }

  @Test("keeps the terms under which the code was issued")
  func keepsTerms() async throws {
    try await withShop { shop in
      var changed = try #require(CouponFixture.document(count: 10).objectValue)
      changed["discount"] = ["type": "percent_off", "value": 50]
      try await CouponFixture.put(shop.db, .object(changed))
      try await Coupons(db: shop.db).delete(
        "w26", by: CouponFixture.caller, now: CouponFixture.now)
      #expect(try await shop.redeem().json["discount"] == CouponFixture.document["discount"])
    }
  }

  @Test("follows the user through a merge")
  func merged() async throws {
    try await withShop { shop in
      let survivor = UUID()
      try await shop.db.write { tx in
        try UserStore.insertBare([survivor], now: CouponFixture.now, in: tx)
        try tx.execute(
          "INSERT INTO user_aliases VALUES (\(shop.user), \(survivor), \(CouponFixture.now))")
      }
      #expect(try await shop.redeem(user: survivor.text).status == 201)
      #expect(try await shop.redeem(user: shop.user.text).status == 200)
    }
  }

  @Test("is refused with a reason")
  func refusals() async throws {
    try await withShop { shop in
      let stranger = UUID()
      try await shop.db.write { tx in
        try UserStore.insertBare([stranger], now: CouponFixture.now, in: tx)
      }
      let unissued = try await shop.db.read {
        try $0.one(
          """
          SELECT code FROM coupon_codes c WHERE NOT EXISTS (
            SELECT FROM coupon_issues i WHERE i.coupon = c.coupon AND i.code_no = c.code_no)
          LIMIT 1
          """)?.get(0, as: String.self)
      }
      #expect(try await shop.redeem("W26-22222222").status == 404)
      #expect(try await shop.redeem(unissued).status == 404)
      #expect(try await shop.redeem("💥").status == 404)
      #expect(try await shop.redeem(user: stranger.text).status == 404)
      #expect(try await shop.redeem(user: UUID().text).status == 404)
      let poor = try await shop.redeem(value: "99.99")
      #expect(poor.status == 422)
      #expect(poor.json["code"] == "minimum_not_reached")
      #expect(try await shop.redeem(value: nil).json["pointer"] == "/order_value")
      #expect(try await shop.redeem(currency: "USD").json["code"] == "currency_mismatch")
      let late = try await shop.redeem(now: CouponFixture.now.addingTimeInterval(7 * 86_400))
      #expect(late.status == 422)
      #expect(late.json["code"] == "coupon_expired")
      #expect(try await CouponFixture.counts(shop.db).redeemed == 0)
    }
  }

  @Test("is not for users outside the caller's scope")
  func scope() async throws {
    try await withShop { shop in
      let faults = Faults()
      let condition = Condition.parse(["tag": "vip"], at: .root, faults: faults)
      let scoped = Caller(
        keyID: UUID(), principal: "p", role: .operator, userScope: condition)
      let codes = try await CouponFixture.call(
        shop.db, .get, "/v1/coupons/{key}/codes", ["key": "w26"], by: scoped)
      #expect(codes.json["data"]?.arrayValue?.count == 9)
      let body: JSONValue = [
        "code": .string(shop.code), "user": .string(shop.user.text), "order_id": "o",
      ]
      let answer = try await CouponFixture.call(
        shop.db, .post, "/v1/coupons/redemptions", body: body.bytes, by: scoped)
      #expect(answer.response.status == 404)
    }
  }
}
