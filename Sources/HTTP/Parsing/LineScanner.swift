/// Finds the end of a line byte by byte, so that the verdict does not depend on how the bytes
/// were cut into segments: the first offending byte decides.
enum LineScanner {
  enum Outcome: Equatable {
    /// The content ends before this index; CR and LF follow.
    case line(end: Int)
    /// Go on from this index when there are more bytes.
    case incomplete(resume: Int)
    case malformed
    case tooLong
  }

  /// Looks from `resume` for the end of the line that starts at `start`.
  static func scan(_ bytes: Span<UInt8>, from start: Int, resume: Int, limit: Int) -> Outcome {
    var index = resume
    while index < bytes.count {
      let byte = bytes[index]
      if byte == ASCII.carriageReturn {
        guard index + 1 < bytes.count else { return .incomplete(resume: index) }
        return bytes[index + 1] == ASCII.lineFeed ? .line(end: index) : .malformed
      }
      if ASCII.isForbiddenControl(byte) { return .malformed }
      if index - start >= limit { return .tooLong }
      index += 1
    }
    return .incomplete(resume: index)
  }
}
