import Foundation

/// The figures of one row, or of all rows together. Those of receipts count deliveries, not receipts.
struct ReportFigures: Sendable, Equatable {
  var entered = 0
  var sent = 0
  /// An opening or a click proves it too.
  var delivered = 0
  var opened = 0
  var clicked = 0
  var bounced = 0
  var unsubscribed = 0
  var uninstalled = 0
  var failed = 0
  var skipped = 0
  var pending = 0
  var unknown = 0
  var couponsIssued = 0
  var couponsRedeemed = 0

  /// Clicks per delivery that arrived; per one sent where no receipt of arrival came at all.
  var ctr: Double? {
    let base = delivered > 0 ? delivered : sent
    return base > 0 ? Double(clicked) / Double(base) : nil
  }

  /// The counts by the names they have in every format.
  static let columns: [(name: String, path: any WritableKeyPath<ReportFigures, Int> & Sendable)] = [
    ("entered", \.entered), ("sent", \.sent), ("delivered", \.delivered), ("opened", \.opened),
    ("clicked", \.clicked), ("bounced", \.bounced), ("unsubscribed", \.unsubscribed),
    ("uninstalled", \.uninstalled), ("failed", \.failed), ("skipped", \.skipped),
    ("pending", \.pending), ("unknown", \.unknown), ("coupons_issued", \.couponsIssued),
    ("coupons_redeemed", \.couponsRedeemed),
  ]

  static func += (left: inout Self, right: Self) {
    for (_, path) in columns { left[keyPath: path] += right[keyPath: path] }
  }

  mutating func take(receiptsOf other: Self) {
    for path in [
      \Self.delivered, \.opened, \.clicked, \.bounced, \.unsubscribed, \.uninstalled,
    ] { self[keyPath: path] = other[keyPath: path] }
  }
}

/// What a plan brought.
struct Report: Sendable {
  enum Dimension: String, Sendable, CaseIterable {
    case step, channel, variant, day
  }

  struct Row: Sendable {
    let key: String
    let figures: ReportFigures
  }

  struct Goal: Sendable {
    let stage: PlanDocument.Goal.Stage
    let event: String
    let within: String
    let targetRate: Double?
    /// Everybody who came in and was not held out.
    let treated: Conversions
    let heldOut: Conversions
    var lift: Lift? { Lift(treated, against: heldOut) }
  }

  let plan: String
  let dimension: Dimension
  let people: Account.People
  let rows: [Row]
  let totals: ReportFigures
  let goals: [Goal]
  /// Of the plan's experiments, newest first.
  let races: [RaceStore.Race]
}
