/// Finds what somebody probably meant to type.
public enum EditDistance {
  /// The candidate at most two edits away (one for short words), if any.
  public static func nearest(to word: String, among candidates: [String]) -> String? {
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

  /// Levenshtein's distance, two swapped neighbours counting as one edit.
  static func between(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var before = [Int](repeating: 0, count: right.count + 1)
    var above = Array(0...right.count)
    for i in left.indices {
      var row = [i + 1]
      for j in right.indices {
        let same = left[i] == right[j]
        var best = min(above[j + 1] + 1, row[j] + 1, above[j] + (same ? 0 : 1))
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
          best = min(best, before[j - 1] + 1)
        }
        row.append(best)
      }
      (before, above) = (above, row)
    }
    return above[right.count]
  }
}
