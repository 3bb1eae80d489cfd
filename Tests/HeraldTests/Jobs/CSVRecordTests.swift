import JSON
import Testing

@testable import Herald

@Suite("CSV")
struct CSVRecordTests {
  private func read(_ text: String) -> [[String]?] {
    let bytes = Array(text.utf8)
    var records: [[String]?] = []
    var place = 0
    while place < bytes.count {
      switch CSVRecord.read(bytes, from: place, isLast: true) {
      case .record(let cells, let next, _):
        records.append(cells.map { String(decoding: $0, as: UTF8.self) })
        place = next
      case .malformed(let next, _, _, _):
        records.append(nil)
        place = next
      case .incomplete: return records
      }
    }
    return records
  }

  static let cases: [(String, [[String]?])] = [
    ("a,b\r\nc,d\r\n", [["a", "b"], ["c", "d"]]), ("a,b\nc,d", [["a", "b"], ["c", "d"]]),
    ("a\rb", [["a"], ["b"]]), ("\"a,b\",c", [["a,b", "c"]]),
    ("\"a\"\"b\",\"\"\n", [["a\"b", ""]]), ("\"two\nlines\",x\n", [["two\nlines", "x"]]),
    (",\n", [["", ""]]), ("a,\n", [["a", ""]]), ("\n\na", [[""], [""], ["a"]]),
    ("a\"b,c", [["a\"b", "c"]]), ("\"a\"x,b\nc", [nil, ["c"]]), ("\"never closed\nb", [nil]),
    ("李雷,\"杭州, 浙江\"", [["李雷", "杭州, 浙江"]]), ("\"\"\"\"", [["\""]]),
  ]

  @Test("is read as RFC 4180 says", arguments: cases)
  func reads(text: String, expected: [[String]?]) {
    #expect(read(text) == expected)
  }

  @Test("cut anywhere asks for more, and never answers otherwise than whole", arguments: cases)
  func cuts(text: String, expected: [[String]?]) {
    let bytes = Array(text.utf8)
    for end in 0..<bytes.count {
      let part = Array(bytes[..<end])
      let reading = CSVRecord.read(part, from: 0, isLast: false)
      if reading != .incomplete {
        #expect(reading == CSVRecord.read(bytes, from: 0, isLast: true), "cut at \(end)")
      }
    }
  }

  @Test("is counted while it passes as it will be read", arguments: cases)
  func counts(text: String, expected: [[String]?]) {
    guard !expected.contains(nil) else { return }
    for size in 1...3 {
      var counter = RecordCounter(isCSV: true)
      let bytes = Array(text.utf8)
      for start in stride(from: 0, to: bytes.count, by: size) {
        counter.add(Array(bytes[start..<min(start + size, bytes.count)]))
      }
      counter.finish()
      #expect(counter.records == expected.count { $0 != [""] })
    }
  }

  @Test("comes back as it was written, formulas defused")
  func writes() {
    let cells = ["plain", "with \"quotes\"", "a,b", "two\r\nlines", "", "杭州"]
    let written = String(decoding: CSVText.line(cells), as: UTF8.self)
    #expect(read(written) == [cells])
    for start in ["=", "+", "-", "@", "\t", "\r"] {
      let text = String(decoding: CSVText.line([start + "1+1"]), as: UTF8.self)
      #expect(read(text) == [["'" + start + "1+1"]])
    }
  }

  @Test("cells are numbers where they look like plain ones")
  func values() {
    for text in ["41", "-3", "128.50", "0", "0.5"] {
      #expect(ImportColumn.value(text).numberValue?.text == text)
    }
    for text in ["007", "1e5", "+1", "12345678901234567", "1.", ".5", "1,5", "x", "1-2"] {
      #expect(ImportColumn.value(text) == .string(text))
    }
    #expect(ImportColumn.value("true") == true)
  }
}
