import Foundation
import HeraldTesting
import Postgres
import Testing

@testable import Herald

@Suite("Issuing coupons from many workers at once")
struct CouponConcurrencyTests {
  private static let workers = 16

  /// Every claim is made by two workers, in batches of another cut, and every fifth transaction is
  /// given up after it has issued.
  @Test("gives out exactly the pool: each code once, each delivery one code, nobody too many")
  func exactPool() async throws {
    try await CouponFixture.withSchema { db in
      let pool = TestDatabase.current.makePool(size: Self.workers)
      let shared = Database(pool: pool)
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 1000, perUser: 3))
      let people = (0..<400).map { _ in UUID() }
      let claims = (0..<4000).map { CouponStore.Claim(people[$0 % people.count], plan: "a") }
      let batches = Self.cut(claims, 37) + Self.cut(claims.shuffled(), 53)
      let results = try await Self.issue(coupon, batches.shuffled(), budgets: [:], shared)
      await pool.close()

      let rows = try await db.read {
        try $0.query("SELECT code, user_id, nth, delivery_id FROM coupon_issues")
      }
      #expect(rows.count == 1000)
      #expect(Set(try rows.map { try $0.get(0, as: String.self) }).count == 1000)
      let persons = Dictionary(grouping: try rows.map { try $0.get(1, as: UUID.self) }) { $0 }
      #expect(persons.values.allSatisfy { $0.count <= 3 })
      let counts = try await CouponFixture.counts(db)
      #expect(counts == CouponCounts(codes: 1000, issued: 1000, redeemed: 0, left: 0))
      // A code that was answered is the one that stands, for both workers.
      var stored: [UUID: String] = [:]
      for row in rows { stored[try row.get(3)] = try row.get(0) }
      #expect(results.allSatisfy { $0.1.code == nil || $0.1.code == stored[$0.0] })
      #expect(Set(results.map(\.0)).count == claims.count)
      #expect(results.contains { $0.1.refusal == .outOfStock })
    }
  }

  @Test("holds a budget below the stock to the code")
  func exactBudget() async throws {
    try await CouponFixture.withSchema { db in
      let pool = TestDatabase.current.makePool(size: Self.workers)
      let shared = Database(pool: pool)
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 1000))
      let claims = (0..<900).map { CouponStore.Claim(plan: ["a", "b", "c"][$0 % 3]) }
      let results = try await Self.issue(
        coupon, Self.cut(claims, 20), budgets: ["a": 100, "b": 250], shared)
      await pool.close()

      let plans = Dictionary(
        grouping: claims.filter { claim in
          results.contains { $0.0 == claim.delivery && $0.1.code != nil }
        }
      ) { $0.plan }.mapValues(\.count)
      #expect(plans == ["a": 100, "b": 250, "c": 300])
    }
  }

  @Test("gives one person who is wanted everywhere at once no more than allowed")
  func onePerson() async throws {
    try await CouponFixture.withSchema { db in
      let pool = TestDatabase.current.makePool(size: Self.workers)
      let shared = Database(pool: pool)
      let coupon = try await CouponFixture.put(db, CouponFixture.document(count: 100, perUser: 5))
      let person = UUID()
      let claims = (0..<200).map { _ in CouponStore.Claim(person) }
      let results = try await Self.issue(coupon, Self.cut(claims, 2), budgets: [:], shared)
      await pool.close()
      #expect(results.compactMap(\.1.code).count == 5)
      #expect(results.filter { $0.1.refusal == .perUserLimit }.count == 195)
      #expect(try await CouponFixture.counts(db).left == 95)
    }
  }

  private struct GivenUp: Error {}

  private static func cut(_ claims: [CouponStore.Claim], _ size: Int) -> [[CouponStore.Claim]] {
    stride(from: 0, to: claims.count, by: size).map {
      Array(claims[$0..<min($0 + size, claims.count)])
    }
  }

  private static func issue(
    _ coupon: Coupon, _ batches: [[CouponStore.Claim]], budgets: [String: Int], _ db: Database
  ) async throws -> [(UUID, CouponStore.Issue)] {
    try await withThrowingTaskGroup(of: [(UUID, CouponStore.Issue)].self) { group in
      for worker in 0..<workers {
        group.addTask {
          var results: [(UUID, CouponStore.Issue)] = []
          for index in stride(from: worker, to: batches.count, by: workers) {
            if index % 5 == 0 {
              await #expect(throws: GivenUp.self) {
                try await db.write { tx in
                  _ = try CouponStore.issue(
                    coupon, to: batches[index], budgets: budgets, now: CouponFixture.now, in: tx)
                  throw GivenUp()
                }
              }
            }
            let issues = try await CouponFixture.issue(db, coupon, batches[index], budgets: budgets)
            results += issues.map { ($0.key, $0.value) }
          }
          return results
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }
}
