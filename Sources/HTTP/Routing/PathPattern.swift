/// The segments of a route's pattern.
struct PathPattern: Sendable, Equatable {
  enum Segment: Sendable, Equatable {
    case literal(String)
    case parameter(String)
  }

  let segments: [Segment]

  /// Throws when the pattern does not start with a slash, has an empty segment (other than `/`
  /// itself and the last one: `/a/` is another path than `/a`), a brace inside a literal, or a parameter twice.
  init(_ pattern: String) throws(RouterError) {
    guard pattern.hasPrefix("/") else { throw .badPattern(pattern) }
    guard pattern != "/" else {
      segments = []
      return
    }
    var segments: [Segment] = []
    var names: Set<String> = []
    let parts = pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    for (index, part) in parts.enumerated() {
      if part.hasPrefix("{"), part.hasSuffix("}") {
        let name = String(part.dropFirst().dropLast())
        guard !name.isEmpty, !name.contains("{"), !name.contains("}"),
          names.insert(name).inserted
        else { throw .badPattern(pattern) }
        segments.append(.parameter(name))
      } else {
        let isTrailing = index > 0 && index == parts.count - 1
        guard !part.isEmpty || isTrailing, !part.contains("{"), !part.contains("}") else {
          throw .badPattern(pattern)
        }
        segments.append(.literal(String(part)))
      }
    }
    self.segments = segments
  }
}

/// What is wrong with a route table.
public enum RouterError: Error, Equatable {
  case badPattern(String)
  /// Two routes answer the same method at the same paths.
  case conflict(String, String)
}
