import Foundation
import HTTP
import JSON

/// Histories of real and realistic shops, with reference answers, beside the checkout.
enum SharedHistory {
  static let folder: URL? = {
    let beside = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../../../shared").standardized
    let named = ProcessInfo.processInfo.environment["HERALD_SHARED"]
    return [named.map { URL(fileURLWithPath: $0) }, beside].compactMap { $0 }
      .map { $0.appendingPathComponent("data") }
      .first { FileManager.default.fileExists(atPath: $0.path) }
  }()

  struct Happening {
    let user: String
    let name: String
    let at: Date
    /// Told again under the same id it is the same event.
    let messageID: String
  }

  static func reference(_ set: String) throws -> JSONValue {
    try JSONScanner.parse(bytes(set, "reference.json"))
  }

  /// One event for each customer and day of purchase, in order.
  static func cdnow() throws -> [Happening] {
    try rows("cdnow", "transactions.csv.gz").compactMap { row in
      Date(rfc3339: "\(row[1])T00:00:00Z").map {
        Happening(user: row[0], name: "purchase", at: $0, messageID: "\(row[0])|\(row[1])")
      }
    }.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }
      .map(\.element)
  }

  /// In the order of their time, of one second as they stand in the file.
  static func clickstream() throws -> [Happening] {
    try rows("ecom_clickstream", "events.csv.gz").compactMap { row -> (Int, Happening)? in
      let text = row[4].replacingOccurrences(of: " ", with: "T")
      guard let at = Date(rfc3339: text + "Z"), let number = Int(row[0]) else { return nil }
      return (number, Happening(user: row[1], name: row[3], at: at, messageID: row[0]))
    }.sorted { ($0.1.at, $0.0) < ($1.1.at, $1.0) }.map(\.1)
  }

  private static func rows(_ set: String, _ file: String) throws -> [[String]] {
    let text = String(
      decoding: try Gzip.inflated(bytes(set, file), limit: 64 << 20), as: UTF8.self)
    return text.split(whereSeparator: \.isNewline).dropFirst().map { line in
      line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  private static func bytes(_ set: String, _ file: String) throws -> [UInt8] {
    guard let folder else { return [] }
    return Array(try Data(contentsOf: folder.appendingPathComponent("\(set)/\(file)")))
  }
}
