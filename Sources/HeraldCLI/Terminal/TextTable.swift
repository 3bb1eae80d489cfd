/// A table for people: columns line up, numbers on the right.
struct TextTable {
  struct Column {
    let title: String
    let isNumber: Bool

    static func text(_ title: String) -> Column { Column(title: title, isNumber: false) }
    static func number(_ title: String) -> Column { Column(title: title, isNumber: true) }
  }

  let columns: [Column]
  private(set) var rows: [[String]] = []
  /// Rows after which a line is drawn.
  private var rules: Set<Int> = []

  init(_ columns: Column...) { self.columns = columns }
  init(_ columns: [Column]) { self.columns = columns }

  /// Missing cells are empty.
  mutating func add(_ cells: String...) { rows.append(cells) }
  mutating func add(_ cells: [String]) { rows.append(cells) }

  /// A line under the last row.
  mutating func rule() { rules.insert(rows.count) }

  func lines(indent: Int = 2) -> [String] {
    let widths = columns.indices.map { index in
      ([columns[index].title] + rows.map { cell($0, index) }).map(TextWidth.of).max() ?? 0
    }
    let margin = String(repeating: " ", count: indent)
    let line = margin + widths.map { String(repeating: "─", count: $0) }.joined(separator: "──")
    func text(_ cells: [String]) -> String {
      let padded = columns.indices.map { index in
        TextWidth.pad(cell(cells, index), to: widths[index], right: columns[index].isNumber)
      }
      return trimmed(margin + padded.joined(separator: "  "))
    }
    var lines = [text(columns.map(\.title)), line]
    for (index, row) in rows.enumerated() {
      lines.append(text(row))
      if rules.contains(index + 1) { lines.append(line) }
    }
    return lines
  }

  private func cell(_ row: [String], _ index: Int) -> String {
    index < row.count ? row[index] : ""
  }

  private func trimmed(_ line: String) -> String {
    String(line.reversed().drop { $0 == " " }.reversed())
  }
}
