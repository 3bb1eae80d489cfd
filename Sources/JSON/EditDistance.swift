/// Finds what somebody probably meant to type.
enum EditDistance {
  /// The candidate at most two edits away (one for short words), if any.
  static func nearest(to word: String, among candidates: [String]) -> String? {
    let length = word.utf8.count
    guard 2...64 ~= length else { return nil }
    let allowed = length < 5 ? 1 : 2
    var best: (candidate: String, distance: Int)?
    for candidate in candidates where abs(candidate.utf8.count - length) <= allowed {
      let distance = between(Array(word.utf8), Array(candidate.utf8))
      if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    return best?.candidate
  }

  /// Levenshtein's distance.
  static func between(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a == b ? 0 : 1))
        diagonal = above
      }
    }
    return row[right.count]
  }
}
