import Foundation
import Postgres

/// Sees to it that what is written to merged people is also written to the part it came in on, so
/// that an undo can take it back there. Made before the writes, told after them; the users must be
/// locked. One query when nobody among them was ever merged.
///
/// What is written past it counts as the surviving user's own.
struct PartWatch {
  /// What was set of a user: said again on another identity, it is that part's too.
  struct Touched: Sendable {
    var attributes: Set<String> = []
    var tags: Set<String> = []
  }

  private let before: [UUID: UserFacts]
  private let parts: [UUID: [UUID: UserFacts]]
  private var known: [UUID: UUID] = [:]

  init(_ users: [UUID], in tx: Transaction) throws {
    parts = users.isEmpty ? [:] : try UserPartStore.load(users, in: tx)
    before = parts.isEmpty ? [:] : try UserFactsStore.load(parts.keys.sorted(), in: tx)
  }

  /// Locks those of the users who were ever merged, and nobody else.
  init(locking users: [UUID], in tx: Transaction) throws {
    let merged = users.isEmpty ? [] : try UserPartStore.merged(among: users, in: tx)
    if !merged.isEmpty { try UserStore.lock(merged, in: tx) }
    try self.init(merged, in: tx)
  }

  /// Of one user, by the reference that led to them; locks them. Nil when they were never merged.
  init?(of ref: UserRef, _ user: UUID, in tx: Transaction) throws {
    try UserStore.lock([user], in: tx)
    try self.init([user], in: tx)
    guard !parts.isEmpty else { return nil }
    known[user] = try IdentityStore.origin(of: ref, in: tx)
  }

  /// `touched`: of the one user.
  func record(touched: Touched = Touched(), in tx: Transaction) throws {
    try record(origins: known, touched: parts.mapValues { _ in touched }, in: tx)
  }

  /// `origins`: user to the user it came in on before the merge; the user itself where absent.
  func record(
    origins: [UUID: UUID], touched: [UUID: Touched] = [:], in tx: Transaction
  ) throws {
    guard !parts.isEmpty else { return }
    let after = try UserFactsStore.load(parts.keys.sorted(), in: tx)
    let rules = try AttributeStore.rules(in: tx)
    for (user, var own) in parts.sorted(by: { $0.key < $1.key }) {
      let touched = touched[user] ?? Touched()
      guard let old = before[user], let new = after[user] else { continue }
      let origin = origins[user] ?? user
      guard let part = own[origin] else { continue }
      own[origin]?.record(old, new, touched, rules: rules)
      guard own[origin] != part else { continue }
      try UserPartStore.save(own, of: user, in: tx)
    }
  }
}
