import Conditions
import JSON

extension Condition {
  /// The leaves with their places in the document that was parsed at `pointer`.
  func leaves(at pointer: JSONPointer) -> [(leaf: Condition, pointer: JSONPointer)] {
    switch self {
    case .all(let parts):
      parts.enumerated().flatMap { $1.leaves(at: pointer.appending("all").appending($0)) }
    case .any(let parts):
      parts.enumerated().flatMap { $1.leaves(at: pointer.appending("any").appending($0)) }
    case .not(let part): part.leaves(at: pointer.appending("not"))
    default: [(self, pointer)]
    }
  }

  /// Where the segment is named first.
  func pointer(ofSegment key: String, at pointer: JSONPointer) -> JSONPointer? {
    leaves(at: pointer).first { $0.leaf == .segment(key: key) }?.pointer.appending("segment")
  }
}
