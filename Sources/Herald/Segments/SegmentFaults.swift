extension ErrorCode {
  public static let segmentCycle = ErrorCode("segment_cycle", 422)
  public static let segmentTooLarge = ErrorCode("segment_too_large", 422)
  public static let segmentTooExpensive = ErrorCode("segment_too_expensive", 422)
}

extension HeraldError {
  /// `path` begins and ends with the same key.
  static func segmentCycle(_ path: [String], at pointer: String?) -> HeraldError {
    HeraldError(
      .segmentCycle,
      "Segments would contain each other: \(path.joined(separator: " → ")); break the circle.",
      pointer: pointer)
  }

  static let segmentTooLarge = HeraldError(
    .segmentTooLarge,
    """
    With the segments it names, this condition has more than \(SegmentCompiler.maximumNodes) parts; \
    name fewer or smaller segments.
    """)

  static let segmentTooExpensive = HeraldError(
    .segmentTooExpensive,
    """
    Evaluating this condition took too long and was stopped. Shorten its time windows, put a tag or \
    attribute beside its event conditions, or upload the users as a static segment.
    """)
}
