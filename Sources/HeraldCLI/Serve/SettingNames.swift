/// The names of settings, for those who mistype one.
enum SettingNames {
  /// Not read by `Configuration` but elsewhere.
  private static let others = [
    "HERALD_CONFIG", "HERALD_POSTGRES_BIN", "HERALD_SHARED", "HERALD_URL", "HERALD_KEY",
  ]
  /// Of the test suite.
  private static let foreign = ["HERALD_TEST_", "HERALD_TORTURE"]

  /// A sentence for each name among `names` that begins with HERALD_ and is no setting.
  static func warnings(about names: some Sequence<String>, known: Set<String>) -> [String] {
    let known = known.union(others)
    let unknown = names.filter { name in
      name.hasPrefix("HERALD_") && !known.contains(name)
        && !foreign.contains { name.hasPrefix($0) }
    }
    return unknown.sorted().map { name in
      let nearest = known.sorted().min { distance($0, name) < distance($1, name) }
      if let nearest, distance(nearest, name) <= max(2, name.count / 4) {
        return "\(name) is no setting of Herald; did you mean \(nearest)?"
      }
      return "\(name) is no setting of Herald and is ignored."
    }
  }

  /// How many letters must be added, taken away or changed (Levenshtein).
  static func distance(_ left: String, _ right: String) -> Int {
    let right = Array(right.utf8)
    var previous = Array(0...right.count)
    for (row, letter) in left.utf8.enumerated() {
      var current = [row + 1]
      for (column, other) in right.enumerated() {
        let change = previous[column] + (letter == other ? 0 : 1)
        current.append(min(change, previous[column + 1] + 1, current[column] + 1))
      }
      previous = current
    }
    return previous[right.count]
  }
}
