/// Writes comma-separated values (RFC 4180) that a spreadsheet may open: a cell that it would take
/// for a formula gets an apostrophe in front, as OWASP advises; numbers stay as they are.
enum CSVText {
  static func write(_ records: [[String]]) -> String {
    String(decoding: records.flatMap(line), as: UTF8.self)
  }

  /// One line with its CRLF.
  static func line(_ cells: [String]) -> [UInt8] {
    var out: [UInt8] = []
    for (index, cell) in cells.enumerated() {
      if index > 0 { out.append(CSVRecord.comma) }
      append(cell, to: &out)
    }
    out += [CSVRecord.carriageReturn, CSVRecord.lineFeed]
    return out
  }

  private static func append(_ cell: String, to out: inout [UInt8]) {
    var bytes = Array(cell.utf8)
    if let first = bytes.first, formulaStarts.contains(first), Double(cell) == nil {
      bytes.insert(UInt8(ascii: "'"), at: 0)
    }
    guard bytes.contains(where: needsQuotes.contains) else {
      out += bytes
      return
    }
    out.append(CSVRecord.quote)
    for byte in bytes {
      if byte == CSVRecord.quote { out.append(CSVRecord.quote) }
      out.append(byte)
    }
    out.append(CSVRecord.quote)
  }

  private static let formulaStarts = Set("=+-@\t\r".utf8)
  private static let needsQuotes = Set("\",\r\n".utf8)
}
