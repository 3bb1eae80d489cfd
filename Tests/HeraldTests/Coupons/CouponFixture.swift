import Foundation
import HTTP
import HeraldTesting
import JSON
import Postgres
import Testing

@testable import Herald

/// What tests of coupons begin with.
enum CouponFixture {
  static let now = Date(timeIntervalSince1970: 1_767_225_600)
  static let caller = Caller(keyID: UUID(), principal: "li.lei", role: .operator)

  static let document: JSONValue = [
    "name": "满100减10",
    "discount": [
      "type": "amount_off", "value": ["amount": "10.00", "currency": "CNY"],
      "minimum": ["amount": "100.00", "currency": "CNY"],
    ],
    "valid": ["days_after_issue": 7],
  ]

  static func document(
    count: Int? = nil, pattern: String = "W26-########", perUser: Int? = nil,
    valid: JSONValue? = nil
  ) -> JSONValue {
    var object = document.objectValue ?? [:]
    if let count {
      object["codes"] = ["generate": ["count": .int(count), "pattern": .string(pattern)]]
    }
    if let perUser { object["per_user"] = .int(perUser) }
    if let valid { object["valid"] = valid }
    return .object(object)
  }

  static func definition(_ key: String, _ document: JSONValue) throws -> CouponDefinition {
    let faults = Faults()
    let reader = ObjectReader(document, faults: faults)
    let definition = reader.flatMap { CouponDefinition(key: key, $0) }
    reader?.finish()
    guard let definition, faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    return definition
  }

  static func withSchema(_ body: (Database) async throws -> Void) async throws {
    try await withDatabase(migrations: HeraldSchema.migrations) {
      try await body(Database(pool: TestDatabase.current.pool))
    }
  }

  /// A coupon `w26` with generated codes.
  @discardableResult
  static func put(_ db: Database, _ document: JSONValue) async throws -> Coupon {
    try await Coupons(db: db).put(
      definition("w26", document), expecting: nil, by: caller, now: now
    ).coupon.stored.coupon
  }

  static func issue(
    _ db: Database, _ coupon: Coupon, _ claims: [CouponStore.Claim], budgets: [String: Int] = [:],
    now: Date = now
  ) async throws -> [UUID: CouponStore.Issue] {
    try await db.write { tx in
      try CouponStore.issue(coupon, to: claims, budgets: budgets, now: now, in: tx)
    }
  }

  static func counts(_ db: Database) async throws -> CouponCounts {
    try await Coupons(db: db).get("w26").counts
  }

  /// Calls an endpoint the way the router would, past keys and roles.
  static func call(
    _ db: Database, _ method: HTTPMethod, _ pattern: String, _ parameters: [String: String] = [:],
    query: [(name: String, value: String)] = [], body: [UInt8] = [],
    headers: HTTPHeaders = HTTPHeaders(), by caller: Caller = caller, now: Date = now
  ) async throws -> (response: Response, json: JSONValue) {
    let endpoints = CouponRoutes.endpoints(Coupons(db: db))
    let endpoint = try #require(endpoints.first { $0.method == method && $0.pattern == pattern })
    let request = Request(
      method: method, path: pattern, query: query, headers: headers, body: body,
      parameters: parameters, pattern: pattern)
    let response: Response
    do {
      response = try await endpoint.handler(Call(request: request, caller: caller, now: now))
    } catch {
      response = EndpointRunner.response(EndpointRunner.heraldError(error), requestID: "r")
    }
    guard case .bytes(let bytes) = response.body else { return (response, .null) }
    return (response, try JSONScanner.parse(bytes))
  }
}

extension CouponStore.Claim {
  init(_ user: UUID = UUID(), plan: String = "plan") {
    self.init(user: user, delivery: UUID(), plan: plan)
  }
}

extension CouponStore.Issue {
  var code: String? { if case .issued(let code, _) = self { code } else { nil } }
  var refusal: SkipCode? { if case .refused(let code) = self { code } else { nil } }
}
