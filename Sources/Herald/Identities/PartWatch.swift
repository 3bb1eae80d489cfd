import Foundation
import Postgres

/// Sees to it that what is written to merged people is also written to the part it came in on, so
/// that an undo can take it back there. Made before the writes, told after them; the users must be
/// locked. One query when nobody among them was ever merged.
///
/// What is written past it counts as the surviving user's own.
struct PartWatch {
  private let before: [UUID: UserFacts]
  private let parts: [UUID: [UUID: UserFacts]]
  private var known: [UUID: UUID] = [:]

  init(_ users: [UUID], in tx: Transaction) throws {
    parts = users.isEmpty ? [:] : try UserPartStore.load(users, in: tx)
    before = parts.isEmpty ? [:] : try UserFactsStore.load(parts.keys.sorted(), in: tx)
  }

  /// Of one user, by the reference that led to them; locks them. Nil when they were never merged.
  init?(of ref: UserRef, _ user: UUID, in tx: Transaction) throws {
    try UserStore.lock([user], in: tx)
    try self.init([user], in: tx)
    guard !parts.isEmpty else { return nil }
    known[user] = try IdentityStore.origin(of: ref, in: tx)
  }

  func record(in tx: Transaction) throws { try record(origins: known, in: tx) }

  /// `origins`: user to the user it came in on before the merge; the user itself where absent.
  func record(origins: [UUID: UUID], in tx: Transaction) throws {
    guard !parts.isEmpty else { return }
    let after = try UserFactsStore.load(parts.keys.sorted(), in: tx)
    let rules = try AttributeStore.rules(in: tx)
    for (user, var own) in parts.sorted(by: { $0.key < $1.key }) {
      guard let old = before[user], let new = after[user], old != new else { continue }
      let origin = origins[user] ?? user
      guard own[origin] != nil else { continue }
      own[origin]?.record(old, new, rules: rules)
      try UserPartStore.save(own, of: user, in: tx)
    }
  }
}
