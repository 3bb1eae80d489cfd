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
