import Foundation

/// Who may decide. "Who wrote it cannot approve it": whoever edited or submitted since the last
/// approval is barred, with every key of that principal and every key such a principal made,
/// whatever its role.
enum ApprovalPolicy {
  /// `makers`: the principals that made the deciding key, and the key that made it, and so on.
  static func isBarred(principal: String, makers: Set<String>, authors: Set<String>) -> Bool {
    authors.contains(principal) || !makers.isDisjoint(with: authors)
  }
}
