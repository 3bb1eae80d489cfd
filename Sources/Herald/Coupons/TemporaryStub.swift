import Foundation
import JSON
import Postgres
public struct Coupon: Sendable { let key: String; init(key: String, manifest: JSONValue) throws { self.key = key } }
struct StoredCoupon { let coupon: Coupon; var manifestJSON: JSONValue { .null } }
enum CouponStore {
  struct Claim { let user: UUID; let delivery: UUID; let plan: String }
  enum Issue { case issued(code: String, validUntil: Date?), refused(SkipCode) }
  static func find(_ keys: [String], in db: any Queryable) throws -> [String: StoredCoupon] { [:] }
  static func stock(_ key: String, in db: any Queryable) throws -> Int { 0 }
  static func issue(_ c: Coupon, to: [Claim], budgets: [String: Int], now: Date, in tx: Transaction) throws -> [UUID: Issue] { [:] }
  static func codes(_ p: [PersonOfRun], in db: any Queryable) throws -> [PersonOfRun: JSONObject] { [:] }
}
