import Foundation
import HTTP

/// Lines of the invoices of a real gift wholesaler (UCI "Online Retail"): customers missing, cancellations,
/// negative quantities, prices of zero, repeated lines.
struct RetailLine: Sendable {
  /// Its number in the file, from 1.
  let row: Int
  let invoice: String
  let stock: String
  let quantity: Int
  /// `2010-12-01 08:26:00`
  let date: String
  /// As written: its decimals count.
  let price: String
  let customer: String
  let country: String

  /// As the data set's reference defines it.
  var isPurchase: Bool {
    !customer.isEmpty && !invoice.hasPrefix("C") && quantity > 0 && milliPrice > 0
  }

  var milliPrice: Int { Int((Double(price) ?? 0) * 1000 + 0.5) }

  static let isWhole = ProcessInfo.processInfo.environment["HERALD_RETAIL"] == "whole"

  static let directory: URL? = {
    let shared =
      ProcessInfo.processInfo.environment["HERALD_SHARED"].map { URL(fileURLWithPath: $0) }
      ?? URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../shared").standardized
    let directory = shared.appendingPathComponent("data/online_retail")
    return FileManager.default.fileExists(atPath: directory.path) ? directory : nil
  }()

  /// The whole set or its beginning; lines made up alike where the set is not at hand.
  static func load() throws -> [RetailLine] {
    guard let directory else { return made() }
    let packed = try Data(contentsOf: directory.appendingPathComponent("lines.csv.gz"))
    let bytes = try Gzip.inflated(Array(packed), limit: 1 << 30)
    return parse(bytes, limit: isWhole ? .max : 20_000)
  }

  private static func made() -> [RetailLine] {
    (1...3000).map { row in
      let invoice = 536_000 + row / 4
      return RetailLine(
        row: row, invoice: row % 31 < 4 ? "C\(invoice)" : "\(invoice)", stock: "S\(row % 90)",
        quantity: row % 17 - 2, date: "2010-12-\(10 + row / 300) 08:\(10 + row % 50):00",
        price: "\(row % 13).\(row % 7)5", customer: row % 5 == 0 ? "" : "\(12_000 + row / 8)",
        country: "United Kingdom")
    }
  }

  /// RFC 4180, without line breaks in quotes, of which the set has none.
  private static func parse(_ bytes: [UInt8], limit: Int) -> [RetailLine] {
    var lines: [RetailLine] = []
    var cells: [[UInt8]] = [[]]
    var isQuoted = false
    var isHeader = true
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""): isQuoted.toggle()
      case UInt8(ascii: ",") where !isQuoted: cells.append([])
      case UInt8(ascii: "\r"): break
      case UInt8(ascii: "\n") where !isQuoted:
        if !isHeader, let line = RetailLine(cells, row: lines.count + 1) { lines.append(line) }
        isHeader = false
        cells = [[]]
        if lines.count == limit { return lines }
      default: cells[cells.count - 1].append(byte)
      }
    }
    return lines
  }

  private init?(_ cells: [[UInt8]], row: Int) {
    guard cells.count == 8 else { return nil }
    let texts = cells.map { String(decoding: $0, as: UTF8.self) }
    guard let quantity = Int(texts[3]) else { return nil }
    self.init(
      row: row, invoice: texts[0], stock: texts[1], quantity: quantity, date: texts[4],
      price: texts[5], customer: texts[6], country: texts[7])
  }

  private init(
    row: Int, invoice: String, stock: String, quantity: Int, date: String, price: String,
    customer: String, country: String
  ) {
    self.row = row
    self.invoice = invoice
    self.stock = stock
    self.quantity = quantity
    self.date = date
    self.price = price
    self.customer = customer
    self.country = country
  }
}

/// What somebody bought.
struct RetailCustomer: Equatable, Sendable {
  var lines = 0
  /// By invoice, the time of its first line: `2010-12-01 08:26:00`; such texts sort like times.
  var orders: [String: String] = [:]
  var milli = 0

  var last: String { orders.values.max() ?? "" }

  static func all(_ lines: [RetailLine]) -> [String: RetailCustomer] {
    var customers: [String: RetailCustomer] = [:]
    for line in lines where line.isPurchase {
      var customer = customers[line.customer] ?? RetailCustomer()
      customer.lines += 1
      customer.orders[line.invoice] = min(customer.orders[line.invoice] ?? line.date, line.date)
      customer.milli += line.quantity * line.milliPrice
      customers[line.customer] = customer
    }
    return customers
  }
}
