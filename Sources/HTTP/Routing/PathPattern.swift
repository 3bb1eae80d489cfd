/// The segments of a route's pattern.
struct PathPattern: Sendable, Equatable {
  enum Segment: Sendable, Equatable {
    case literal(String)
    case parameter(String)
  }

  let segments: [Segment]

  /// Throws when the pattern does not start with a slash, has an empty segment (other than `/`
  /// itself), a brace inside a literal, or a parameter twice.
  init(_ pattern: String) throws(RouterError) {
    guard pattern.hasPrefix("/") else { throw .badPattern(pattern) }
    guard pattern != "/" else {
      segments = []
      return
    }
    var segments: [Segment] = []
    var names: Set<String> = []
    for part in pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      if part.hasPrefix("{"), part.hasSuffix("}") {
        let name = String(part.dropFirst().dropLast())
        guard !name.isEmpty, !name.contains("{"), !name.contains("}"),
          names.insert(name).inserted
        else { throw .badPattern(pattern) }
        segments.append(.parameter(name))
      } else {
        guard !part.isEmpty, !part.contains("{"), !part.contains("}") else {
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
