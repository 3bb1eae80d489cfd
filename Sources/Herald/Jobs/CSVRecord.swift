/// Reads one record of comma-separated values (RFC 4180) from a buffer that may end in its middle.
///
/// Lines end in LF, CRLF or CR; a quoted field may span lines and doubles its quotes. A quote inside
/// an unquoted field stands for itself.
enum CSVRecord {
  enum Reading: Equatable {
    /// `next`: where the record after begins; `lines`: how many lines this one took.
    case record([[UInt8]], next: Int, lines: Int)
    /// The buffer ends before the record does.
    case incomplete
    /// Text after a closing quote, or a quote that is never closed; the record, up to its line's
    /// end, is lost. `opened` and `closed`: how many lines into the record that quote does so.
    case malformed(next: Int, lines: Int, opened: Int, closed: Int?)
  }

  static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// `start` must be the beginning of a record. `isLast`: nothing follows the buffer.
  static func read(_ bytes: [UInt8], from start: Int, isLast: Bool) -> Reading {
    var fields: [[UInt8]] = []
    var index = start
    var lines = 1
    while true {
      var field: [UInt8] = []
      let opened = lines - 1
      if index < bytes.count, bytes[index] == quote {
        guard let end = readQuoted(bytes, index + 1, into: &field, &lines) else {
          // At the very end an unclosed quote can never be closed.
          guard isLast else { return .incomplete }
          return .malformed(next: bytes.count, lines: lines, opened: opened, closed: nil)
        }
        index = end
      } else {
        let begin = index
        while index < bytes.count, !isSeparator(bytes[index]) { index += 1 }
        field = Array(bytes[begin..<index])
      }
      guard index < bytes.count else {
        if !isLast { return .incomplete }
        return .record(fields + [field], next: index, lines: lines)
      }
      fields.append(field)
      if bytes[index] == comma {
        index += 1
      } else if isSeparator(bytes[index]) {
        guard let next = afterLineEnd(bytes, index, isLast: isLast) else { return .incomplete }
        return .record(fields, next: next, lines: lines)
      } else {
        while index < bytes.count, bytes[index] != lineFeed { index += 1 }
        if index == bytes.count, !isLast { return .incomplete }
        return .malformed(
          next: min(index + 1, bytes.count), lines: lines, opened: opened, closed: lines - 1)
      }
    }
  }

  /// The index behind the closing quote; nil when there is none yet, or when the buffer ends on a
  /// quote that might be the first of two.
  private static func readQuoted(
    _ bytes: [UInt8], _ start: Int, into field: inout [UInt8], _ lines: inout Int
  ) -> Int? {
    var index = start
    while index < bytes.count {
      if bytes[index] == quote {
        guard index + 1 < bytes.count, bytes[index + 1] == quote else { return index + 1 }
        index += 1
      } else if bytes[index] == lineFeed {
        lines += 1
      }
      field.append(bytes[index])
      index += 1
    }
    return nil
  }

  private static func afterLineEnd(_ bytes: [UInt8], _ index: Int, isLast: Bool) -> Int? {
    guard bytes[index] == carriageReturn else { return index + 1 }
    guard index + 1 < bytes.count else { return isLast ? index + 1 : nil }
    return bytes[index + 1] == lineFeed ? index + 2 : index + 1
  }

  private static func isSeparator(_ byte: UInt8) -> Bool {
    byte == comma || byte == lineFeed || byte == carriageReturn
  }

  static let quote = UInt8(ascii: "\"")
  static let comma = UInt8(ascii: ",")
  static let lineFeed = UInt8(ascii: "\n")
  static let carriageReturn = UInt8(ascii: "\r")
}

/// Counts the records of an upload while it passes, in constant memory, as the readers will see them.
struct RecordCounter {
  private enum Place {
    case lineStart, fieldStart, unquoted, quoted, afterQuote
  }

  let isCSV: Bool
  private(set) var records = 0
  private var place = Place.lineStart
  /// Whether the line at hand holds more than white space.
  private var hasContent = false

  init(isCSV: Bool) { self.isCSV = isCSV }

  mutating func add(_ bytes: [UInt8]) {
    for byte in bytes { add(byte) }
  }

  /// To be called once, at the end.
  mutating func finish() { endLine() }

  private mutating func add(_ byte: UInt8) {
    if place == .quoted {
      if byte == CSVRecord.quote { place = .afterQuote }
      return
    }
    switch byte {
    case CSVRecord.lineFeed, CSVRecord.carriageReturn: endLine()
    case CSVRecord.quote where isCSV && place != .unquoted:
      // After a quote this is the second of two: the field goes on.
      place = .quoted
      hasContent = true
    case CSVRecord.comma where isCSV:
      place = .fieldStart
      hasContent = true
    default:
      place = .unquoted
      if isCSV || byte != UInt8(ascii: " ") && byte != UInt8(ascii: "\t") { hasContent = true }
    }
  }

  private mutating func endLine() {
    if hasContent { records += 1 }
    hasContent = false
    place = .lineStart
  }
}
