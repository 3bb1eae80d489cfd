import Foundation
import JSON
import Postgres
import Testing

@testable import Herald

@Suite("Issuing coupons")
struct CouponIssueTests {
  private typealias Claim = CouponStore.Claim

  @Test("gives every delivery a code of its own, and the same one again")
  func isIdempotent() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 100))
      let claims = (0..<40).map { _ in Claim() }
      let first = try await CouponFixture.issue(db, coupon, claims)
      #expect(Set(first.values.compactMap(\.code)).count == 40)
      let again = try await CouponFixture.issue(
        db, coupon, claims.reversed() + [Claim()], now: CouponFixture.now.addingTimeInterval(60))
      #expect(again.count == 41)
      for claim in claims { #expect(again[claim.delivery] == first[claim.delivery]) }
      #expect(try await CouponFixture.counts(db).issued == 41)
    }
  }

  @Test("says until when a code is valid")
  func validity() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 10))
      let claim = Claim()
      guard
        case .issued(_, let until)? = try await CouponFixture.issue(db, coupon, [claim])[
          claim.delivery]
      else {
        Issue.record("nothing was issued")
        return
      }
      #expect(until == CouponFixture.now.addingTimeInterval(7 * 86_400))
    }
  }

  @Test("steals from the other shards before the stock is out")
  func steals() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 50))
      let claims = (0..<60).map { _ in Claim() }
      // One by one, so that most begin at a shard that is exhausted already.
      var issues: [UUID: CouponStore.Issue] = [:]
      for claim in claims {
        issues.merge(try await CouponFixture.issue(db, coupon, [claim])) { _, new in new }
      }
      #expect(issues.values.compactMap(\.code).count == 50)
      #expect(claims.suffix(10).allSatisfy { issues[$0.delivery]?.refusal == .outOfStock })
      let stock = try await db.read { try CouponStore.stock("w26", in: $0) }
      #expect(stock == 0)
    }
  }

  @Test("serves the claims of a batch in their order")
  func order() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 5))
      let claims = (0..<8).map { _ in Claim() }
      let issues = try await CouponFixture.issue(db, coupon, claims)
      #expect(
        claims.map { issues[$0.delivery]?.code != nil } == [true, true, true, true, true]
          + [false, false, false])
    }
  }

  @Test("holds the limit of a person, merged users included")
  func perUser() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 100, perUser: 2))
      let user = UUID()
      let former = UUID()
      let early = Claim(former)
      _ = try await CouponFixture.issue(db, coupon, [early])
      _ = try await db.write { tx in
        try tx.execute(
          "INSERT INTO user_aliases VALUES (\(former), \(user), \(CouponFixture.now))")
      }
      let claims = [Claim(user), Claim(former), Claim(user)]
      let issues = try await CouponFixture.issue(db, coupon, claims)
      #expect(issues[claims[0].delivery]?.code != nil)
      #expect(issues[claims[1].delivery]?.refusal == .perUserLimit)
      #expect(issues[claims[2].delivery]?.refusal == .perUserLimit)
    }
  }

  @Test("stops at a plan's budget, which counts what was issued before there was one")
  func budget() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 100))
      _ = try await CouponFixture.issue(db, coupon, (0..<3).map { _ in Claim(plan: "a") })
      let claims = (0..<4).map { _ in Claim(plan: "a") } + [Claim(plan: "b")]
      let issues = try await CouponFixture.issue(db, coupon, claims, budgets: ["a": 5])
      #expect(
        claims.map { issues[$0.delivery]?.refusal } == [
          nil, nil, .budgetSpent, .budgetSpent, nil,
        ])
      let more = [Claim(plan: "a"), Claim(plan: "a")]
      let raised = try await CouponFixture.issue(db, coupon, more, budgets: ["a": 6])
      #expect(raised.values.compactMap(\.code).count == 1)
    }
  }

  @Test("takes nothing of a budget when the stock is out")
  func budgetWithoutStock() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 2))
      let claims = (0..<4).map { _ in Claim(plan: "a") }
      _ = try await CouponFixture.issue(db, coupon, claims, budgets: ["a": 4])
      let spent = try await db.read {
        try $0.one("SELECT issued FROM coupon_budgets WHERE plan = 'a'")?.get(0, as: Int.self)
      }
      #expect(spent == 2)
    }
  }

  @Test("refuses a coupon that is over")
  func expired() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(
        db,
        CouponFixture.document(
          count: 10, valid: ["from": "2025-11-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"]))
      let claim = Claim()
      let issues = try await CouponFixture.issue(db, coupon, [claim])
      #expect(issues[claim.delivery]?.refusal == .couponExpired)
      let before = try await CouponFixture.issue(
        db, coupon, [claim], now: CouponFixture.now.addingTimeInterval(-1))
      #expect(before[claim.delivery]?.code != nil)
    }
  }

  @Test("is undone with its transaction")
  func rollback() async throws {
    struct Undone: Error {}
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 10))
      await #expect(throws: Undone.self) {
        try await db.write { tx in
          _ = try CouponStore.issue(
            coupon, to: [Claim(), Claim()], budgets: ["plan": 5], now: CouponFixture.now, in: tx)
          throw Undone()
        }
      }
      #expect(
        try await CouponFixture.counts(db)
          == CouponCounts(codes: 10, issued: 0, redeemed: 0, left: 10))
    }
  }

  @Test("shows the codes to later steps of the same run")
  func codesOfRun() async throws {
    try await CouponFixture.withSchema { db in
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 10))
      let claim = Claim()
      let run = UUID()
      _ = try await db.write { tx in
        try tx.execute(
          """
          INSERT INTO deliveries (user_id, run_id, step_id, entered_at, id, plan, plan_version,
            created_at)
          VALUES (\(claim.user), \(run), 'sweeten', \(CouponFixture.now), \(claim.delivery), 'plan',
            1, \(CouponFixture.now))
          """)
      }
      let issues = try await CouponFixture.issue(db, coupon, [claim])
      let person = EnrolmentName(user: claim.user, run: run, entryKey: "")
      let other = EnrolmentName(user: claim.user, run: UUID(), entryKey: "")
      let codes = try await db.read { try CouponStore.codes([person, other, person], in: $0) }
      let shown = codes[person]?["sweeten"]?["coupon"]
      #expect(shown?["code"]?.stringValue == issues[claim.delivery]?.code)
      #expect(shown?["valid_until"] == .string("2026-01-08T00:00:00.000Z"))
      #expect(codes[other] == nil)
    }
  }
}
