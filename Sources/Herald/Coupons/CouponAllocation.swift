import Foundation

/// Who of a batch gets a code, as far as it is settled before the stock is known: a pure decision
/// over facts that the unique keys of `coupon_issues` and the lock on the budgets hold it to.
struct CouponAllocation {
  /// A person's codes so far, whichever of their merged users got them.
  struct Holding: Sendable {
    let person: UUID
    var count: Int
    /// The highest number among the codes of `person` itself.
    var top: Int
  }

  /// A claim that nothing but the stock stands against.
  struct Grant: Sendable {
    let claim: CouponStore.Claim
    let person: UUID
    let nth: Int
  }

  private(set) var grants: [Grant] = []
  private(set) var refusals: [UUID: SkipCode] = [:]

  /// `left`: what each plan with a budget may still issue.
  init(
    _ coupon: Coupon, _ claims: [CouponStore.Claim], holdings: [UUID: Holding], left: [String: Int],
    now: Date
  ) {
    var left = left
    var persons: [UUID: Holding] = [:]
    for claim in claims {
      guard !coupon.isExpired(at: now) else {
        refusals[claim.delivery] = .couponExpired
        continue
      }
      let known = holdings[claim.user] ?? Holding(person: claim.user, count: 0, top: 0)
      var holding = persons[known.person] ?? known
      guard holding.count < coupon.perUser else {
        refusals[claim.delivery] = .perUserLimit
        continue
      }
      if let budget = left[claim.plan] {
        guard budget > 0 else {
          refusals[claim.delivery] = .budgetSpent
          continue
        }
        left[claim.plan] = budget - 1
      }
      holding.top = max(holding.top, holding.count) + 1
      holding.count += 1
      persons[known.person] = holding
      grants.append(Grant(claim: claim, person: known.person, nth: holding.top))
    }
  }

  /// The stock reaches for the first `stock` grants only.
  mutating func limit(to stock: Int) {
    for grant in grants.dropFirst(stock) { refusals[grant.claim.delivery] = .outOfStock }
    grants.removeSubrange(min(stock, grants.count)...)
  }
}

/// The unissued numbers of one shard: `next`, `next` + 16 … up to `end`.
struct CouponShard: Sendable {
  static let count = 16

  let shard: Int
  private(set) var next: Int
  let end: Int

  init(shard: Int, next: Int, end: Int) {
    self.shard = shard
    self.next = next
    self.end = end
  }

  var left: Int { end < next ? 0 : (end - next) / Self.count + 1 }

  mutating func take(_ wanted: Int) -> [Int] {
    let taken = min(max(wanted, 0), left)
    defer { next += taken * Self.count }
    return (0..<taken).map { next + $0 * Self.count }
  }
}
