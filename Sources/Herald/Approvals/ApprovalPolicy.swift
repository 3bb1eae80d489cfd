import Foundation

/// Who may decide. "Who wrote it cannot approve it": whoever edited or submitted since the last
/// approval is barred, with every key of that principal and every key such a principal made,
/// whatever its role.
enum ApprovalPolicy {
  /// `makers`: the principals that made the deciding key, and the key that made it, and so on.
  static func isBarred(principal: String, makers: Set<String>, authors: Set<String>) -> Bool {
    authors.contains(principal) || !makers.isDisjoint(with: authors)
  }

  /// Whether two who agree are two people: neither decides with a key that the other one made.
  static func areIndependent(
    _ one: (principal: String, makers: Set<String>),
    _ other: (principal: String, makers: Set<String>)
  ) -> Bool {
    one.principal != other.principal && !one.makers.contains(other.principal)
      && !other.makers.contains(one.principal)
  }
}
