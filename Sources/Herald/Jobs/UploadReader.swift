/// Cuts an upload into records, from where a job stands, fetching no more of it than a batch needs.
struct UploadReader {
  /// One record as bytes, with the line it begins on (1 for the first).
  struct Slice {
    enum Content {
      case line([UInt8])
      case cells([[UInt8]])
      /// With what is wrong.
      case malformed(String)
      /// Of so many bytes.
      case tooLong(Int)
    }

    let line: Int
    let content: Content
  }

  private let isCSV: Bool
  private let total: Int
  private let size: Int
  /// Behind the last record that was read.
  private(set) var progress: Job.Progress
  /// Bytes from `progress.offset` on.
  private var buffer: [UInt8] = []
  private var position = 0

  init(_ job: Job, size: Int) {
    isCSV = job.format == .csv
    total = job.bytes
    self.size = size
    progress = job.progress
  }

  var isAtEnd: Bool { progress.offset >= total }

  /// At most `size` records, blank lines left out; fewer before one without an end, which is thrown
  /// when it comes first. `fetch` gives the bytes at an offset of the upload, as many as it likes.
  mutating func read(_ fetch: (Int) throws -> [UInt8]) throws -> [Slice] {
    let start = progress.offset
    var slices: [Slice] = []
    buffer = try fetch(start)
    if start == 0, buffer.starts(with: [0xFF, 0xFE]) || buffer.starts(with: [0xFE, 0xFF]) {
      throw HeraldError(
        .invalid, "The file is UTF-16 text; save it as UTF-8 and send it again.")
    }
    if start == 0, buffer.starts(with: CSVRecord.byteOrderMark) {
      position = CSVRecord.byteOrderMark.count
      progress.offset = position
    }
    while slices.count < size, progress.offset < total {
      let isLast = start + buffer.count >= total
      guard let slice = next(isLast: isLast) else {
        guard !isLast, buffer.count - position <= ImportBatch.searchBytes else {
          // What was read before is stored first.
          guard slices.isEmpty else { return slices }
          throw endless
        }
        // As much again as was read in vain: looking once more costs no more than reading.
        let goal = min(
          buffer.count + max(1, buffer.count - position), position + ImportBatch.searchBytes + 1)
        while buffer.count < goal, start + buffer.count < total {
          let more = try fetch(start + buffer.count)
          guard !more.isEmpty else {
            throw HeraldError(.unexpected, "A part of the upload is missing.")
          }
          buffer += more
        }
        continue
      }
      let isBlank =
        switch slice.content {
        case .line(let bytes): bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        case .cells(let cells): cells.count == 1 && cells[0].isEmpty
        case .malformed, .tooLong: false
        }
      if !isBlank { slices.append(slice) }
    }
    return slices
  }

  /// The next record has no end within reach.
  private var endless: HeraldError {
    let advice =
      isCSV
      ? "perhaps a quote in it was never closed" : "NDJSON has each record on a line of its own"
    return HeraldError(
      .invalid,
      "The record that begins on line \(progress.line + 1) is longer than "
        + "\(ImportBatch.searchBytes >> 20) MiB; \(advice).")
  }

  /// Moves on behind the record; nil when the buffer ends within it.
  private mutating func next(isLast: Bool) -> Slice? {
    let line = progress.line + 1
    guard isCSV else {
      let rest = buffer[position...]
      guard let end = rest.firstIndex(of: CSVRecord.lineFeed) ?? (isLast ? rest.endIndex : nil)
      else { return nil }
      advance(to: min(end + 1, buffer.count), lines: 1)
      guard rest[..<end].count <= ImportBatch.recordBytes else {
        return Slice(line: line, content: .tooLong(rest[..<end].count))
      }
      return Slice(line: line, content: .line(Array(rest[..<end])))
    }
    switch CSVRecord.read(buffer, from: position, isLast: isLast) {
    case .incomplete: return nil
    case .record(let cells, let next, let lines):
      let size = next - position
      advance(to: next, lines: lines)
      return Slice(
        line: line, content: size > ImportBatch.recordBytes ? .tooLong(size) : .cells(cells))
    case .malformed(let next, let lines, let opened, let closed):
      advance(to: next, lines: lines)
      let fault = Self.fault(opened: line + opened, closed: closed.map { line + $0 })
      return Slice(line: line, content: .malformed(fault))
    }
  }

  /// A quote that took whole lines into its cell is most likely one too many.
  private static func fault(opened: Int, closed: Int?) -> String {
    guard let closed else { return "The quote opened on line \(opened) is never closed." }
    guard closed > opened else { return "Text follows a closing quote." }
    return "Text follows a closing quote on line \(closed); the quote was opened on line \(opened)."
  }

  private mutating func advance(to position: Int, lines: Int) {
    progress.offset += position - self.position
    progress.line += lines
    self.position = position
  }
}
