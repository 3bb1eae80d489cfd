/// RFC 4180: CRLF after every record, quotes where they are needed and doubled inside. What a
/// spreadsheet would take for a formula is made text by an apostrophe; numbers stay as they are.
enum CSVText {
  static func write(_ records: [[String]]) -> String {
    records.map { $0.map(field).joined(separator: ",") + "\r\n" }.joined()
  }

  static func field(_ text: String) -> String {
    let safe = isFormula(text) ? "'" + text : text
    guard safe.utf8.contains(where: { [0x22, 0x2C, 0x0D, 0x0A].contains($0) }) else { return safe }
    return "\"" + String(safe.flatMap { $0 == "\"" ? ["\"", "\""] : [$0] }) + "\""
  }

  /// The characters spreadsheets start a formula with (OWASP, CSV injection).
  private static func isFormula(_ text: String) -> Bool {
    guard let first = text.utf8.first, Double(text) == nil else { return false }
    return [
      UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "@"),
      UInt8(ascii: "\t"), UInt8(ascii: "\r"),
    ].contains(first)
  }
}

/// Columns of aligned text for a terminal: the first to the left, figures to the right. Columns
/// with nothing but zeros are left out.
enum TextTable {
  static func write(_ records: [[String]]) -> String {
    guard let header = records.first else { return "" }
    let shown = header.indices.filter { column in
      column < 3
        || records.dropFirst().contains { !["0", "0.0", ""].contains($0[column]) }
    }
    let widths = shown.map { column in records.map { $0[column].count }.max() ?? 0 }
    let lines = records.map { record in
      zip(shown, widths).map { column, width in
        let padding = String(repeating: " ", count: width - record[column].count)
        return column == 0 ? record[column] + padding : padding + record[column]
      }.joined(separator: "  ")
    }
    let rule = String(repeating: "-", count: lines.first?.count ?? 0)
    return (lines.prefix(1) + [rule] + lines.dropFirst()).joined(separator: "\n") + "\n"
  }
}
