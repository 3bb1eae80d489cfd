import Foundation
import HTTP
import JSON

/// The CDNOW purchases as a file tells them, moved in time so that the last was made yesterday.
///
/// Reads the file by itself, apart from Herald's import: what it counts is what Herald's answers are
/// checked against.
struct Purchases: Sendable {
  struct Purchase: Sendable {
    /// Of the plain file, 1 being the header.
    let line: Int
    let customer: String
    let at: Date
    let amount: String
    let quantity: Int
    var cents: Int { Int((Double(amount) ?? 0) * 100 + 0.5) }
  }

  /// Name of the plain file; with the line it makes a purchase's `message_id`.
  let file: String
  let all: [Purchase]
  let byCustomer: [String: [Purchase]]
  /// How many days everything was moved.
  let shift: Int

  struct Malformed: Error, CustomStringConvertible {
    let file: String
    let line: Int
    var description: String { "\(file) cannot be read: line \(line) is not as expected." }
  }

  /// Purchases have a day, no time: noon in `zone` is taken.
  init(file: String, gzip: [UInt8], now: Date, zone: TimeZone) throws {
    let text = String(decoding: try Gzip.inflated(gzip, limit: 64 << 20), as: UTF8.self)
    let rows = text.split(separator: "\n", omittingEmptySubsequences: false)
    let columns = Columns(rows.first.map(String.init) ?? "")
    guard let columns else { throw Malformed(file: file, line: 1) }
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = zone
    var raw: [(line: Int, cells: [Substring], day: CivilDay)] = []
    for (index, row) in rows.enumerated().dropFirst() where !row.isEmpty {
      let cells = row.split(separator: ",", omittingEmptySubsequences: false)
      guard cells.count == columns.count, let day = CivilDay(String(cells[columns.date])) else {
        throw Malformed(file: file, line: index + 1)
      }
      raw.append((index + 1, cells, day))
    }
    let today = calendar.dateComponents([.year, .month, .day], from: now)
    guard let last = raw.map(\.day).max(),
      let year = today.year, let month = today.month, let dayOfMonth = today.day,
      let now = CivilDay(year: year, month: month, day: dayOfMonth)
    else { throw Malformed(file: file, line: 1) }
    let shift = now.daysSince1970 - 1 - last.daysSince1970
    all = try raw.map { line, cells, day in
      let moved = CivilDay(daysSince1970: day.daysSince1970 + shift)
      let noon = DateComponents(
        year: moved.year, month: moved.month, day: moved.day, hour: 12)
      guard let at = calendar.date(from: noon), let quantity = Int(cells[columns.quantity]) else {
        throw Malformed(file: file, line: line)
      }
      return Purchase(
        line: line, customer: String(cells[columns.customer]), at: at,
        amount: String(cells[columns.amount]), quantity: quantity)
    }
    self.file = file
    self.shift = shift
    byCustomer = Dictionary(grouping: all, by: \.customer)
  }

  private struct Columns {
    let count: Int
    let customer: Int
    let date: Int
    let quantity: Int
    let amount: Int

    init?(_ header: String) {
      let names = header.split(separator: ",").map(String.init)
      guard
        let customer = names.firstIndex(where: { $0 == "master_id" || $0 == "customer_id" }),
        let date = names.firstIndex(of: "date"), let quantity = names.firstIndex(of: "quantity"),
        let amount = names.firstIndex(of: "amount")
      else { return nil }
      count = names.count
      (self.customer, self.date, self.quantity, self.amount) = (customer, date, quantity, amount)
    }
  }

  /// Customers with two rows or more and none in the 90 days before `now`.
  func lapsedRepeaters(now: Date) -> Set<String> {
    let border = now.addingTimeInterval(-90 * 86_400)
    return Set(
      byCustomer.filter { _, rows in rows.count >= 2 && rows.allSatisfy { $0.at <= border } }.keys)
  }

  func tier(of customer: String) -> Tier {
    let cents = (byCustomer[customer] ?? []).reduce(0) { $0 + $1.cents }
    return cents >= 20_000 ? .heavy : cents >= 5_000 ? .regular : .light
  }

  /// By what they have spent in all.
  enum Tier: String, CaseIterable, Sendable { case light, regular, heavy }
}
