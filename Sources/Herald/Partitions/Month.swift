import Foundation
import JSON

/// A month of the calendar in UTC, by which large tables are cut.
struct Month: Hashable, Comparable, Sendable {
  let year: Int
  /// 1…12
  let month: Int

  init(of instant: Date) {
    let days = (instant.timeIntervalSince1970 / 86_400).rounded(.down)
    let day = CivilDay(daysSince1970: Int(exactly: days) ?? 0)
    year = day.year
    month = day.month
  }

  private init(number: Int) {
    let (year, month) = number.quotientAndRemainder(dividingBy: 12)
    self.year = year
    self.month = month + 1
  }

  private var number: Int { year * 12 + month - 1 }

  func adding(_ months: Int) -> Month { Month(number: number + months) }

  static func < (left: Month, right: Month) -> Bool { left.number < right.number }

  /// `202611`, as it ends the name of a partition.
  var suffix: String { "\(year)\(month < 10 ? "0" : "")\(month)" }

  /// Its first day, `2026-11-01`.
  var firstDay: String { "\(year)-\(month < 10 ? "0" : "")\(month)-01" }

  init?(suffix: some StringProtocol) {
    guard suffix.utf8.count == 6, suffix.utf8.allSatisfy({ 0x30...0x39 ~= $0 }),
      let year = Int(suffix.prefix(4)), let month = Int(suffix.suffix(2)), 1...12 ~= month
    else { return nil }
    self.year = year
    self.month = month
  }
}

/// The tables cut by month, and how long each is kept.
enum PartitionedTable: String, CaseIterable, Sendable {
  case events, deliveries, attempts, receipts
  case stepVisits = "step_visits"
  case capUses = "cap_uses"

  /// The column its months are told by.
  var column: String {
    switch self {
    case .events: "ts"
    case .deliveries, .attempts, .stepVisits: "entered_at"
    case .receipts, .capUses: "at"
    }
  }

  /// The first month to be kept; nil when all are.
  func firstKept(_ retention: Retention, now: Date) -> Month? {
    let months: Int? =
      switch self {
      case .events: retention.eventMonths
      case .deliveries, .attempts: retention.deliveryMonths
      case .receipts: retention.receiptMonths
      // Their counters are not sealed anywhere else.
      case .stepVisits: nil
      // As far back as a cap can look.
      case .capUses: Cap.longest / 28 + 1
      }
    return months.map { Month(of: now).adding(-$0) }
  }
}
