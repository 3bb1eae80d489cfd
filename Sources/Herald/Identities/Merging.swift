import Cryptography
import Foundation
import JSON
import Postgres

/// Makes two users one, and one two again. In the caller's transaction, which must hold the identity
/// lock alone.
enum Merging {
  /// Events that move in the merge's own transaction; longer histories follow step by step.
  static let eventsAtOnce = 500

  /// `merged` becomes an alias of `survivor`: identities, attributes, tags, consents, devices and
  /// events go over, everything else stays under the old id and is read through the alias.
  /// Fires nothing.
  @discardableResult
  static func merge(
    _ merged: UUID, into survivor: UUID, reason: UserMerge.Reason, by caller: Caller, now: Date,
    in tx: Transaction
  ) throws -> UserMerge {
    try UserStore.lock([merged, survivor], in: tx)
    // What either was sent counts for both from here on.
    try CapUseStore.lock(lanes: [merged.lane, survivor.lane], in: tx)
    let facts = try UserFactsStore.load([merged, survivor], in: tx)
    guard let ours = facts[survivor], let theirs = facts[merged] else {
      throw HeraldError(.wrongState, "One of the two users is gone; look them up again.")
    }
    let isShared = theirs.attributes.keys.contains { ours.attributes[$0] != nil }
    let rules = isShared ? try AttributeStore.rules(in: tx) : [:]
    let known = try UserPartStore.load([merged, survivor], in: tx)
    let parts = complete(known[survivor], of: survivor, ours)
      .merging(complete(known[merged], of: merged, theirs)) { first, _ in first }
    try UserFactsStore.delete(merged, theirs, in: tx)
    try UserFactsStore.write(
      ours.merged(with: theirs, rules: rules), of: survivor, over: ours, now: now, in: tx)
    if known[merged] != nil { try UserPartStore.save([:], of: merged, in: tx) }
    try UserPartStore.save(parts, of: survivor, over: known[survivor] ?? [:], in: tx)
    let events = try HistoryStore.count(of: merged, limit: eventsAtOnce + 1, in: tx)
    let isLarge = events > eventsAtOnce
    try MergeStore.hand(merged, to: survivor, moving: isLarge, now: now, in: tx)
    let moved =
      isLarge || events == 0
      ? 0 : try HistoryStore.move(from: merged, after: .start, limit: nil, in: tx).moved
    let merge = UserMerge(
      id: UUIDv7.next(now: now), survivor: survivor, merged: merged,
      state: isLarge ? .moving : .merged, reason: reason, mergedBy: caller.principal,
      mergedAt: now, undoneBy: nil, undoneAt: nil, movedEvents: moved)
    try MergeStore.insert(merge, in: tx)
    try AuditStore.append(
      AuditEntry(
        "user.merged", "user", survivor.text,
        after: ["merge": .id(merge.id), "from": .id(merged), "reason": .string(reason.rawValue)],
        by: caller, at: now), in: tx)
    return merge
  }

  /// The user whose id survives when these two are merged, and the other.
  static func order(
    _ one: UUID, _ other: UUID, in tx: Transaction
  ) throws -> (survivor: UUID, merged: UUID) {
    let kinds = try IdentityKindStore.list(in: tx).map(\.kind)
    let people = try IdentityStore.people([one, other], kinds: kinds, in: tx)
    guard let first = people[one], let second = people[other] else { throw UserRef.notFound }
    return first.survives(second, id: one, otherID: other) ? (one, other) : (other, one)
  }

  /// A user's parts, with what was written to the whole past them: that is the user's own.
  private static func complete(
    _ parts: [UUID: UserFacts]?, of user: UUID, _ whole: UserFacts
  ) -> [UUID: UserFacts] {
    guard var parts, var own = parts[user] else { return [user: whole] }
    own.adopt(from: whole, unknownTo: Array(parts.values))
    parts[user] = own
    return parts
  }
}

// MARK: - Undoing

extension Merging {
  /// The merged user is there again, with all whom it had taken in before: with what it had then and
  /// what came in on its identities since. The two are not merged by themselves again.
  static func undo(_ id: UUID, by caller: Caller, now: Date, in tx: Transaction) throws -> UserMerge
  {
    let merge = try MergeStore.lock(id, in: tx)
    guard merge.state.stands else {
      throw HeraldError(.wrongState, "This merge is undone already.")
    }
    guard let root = try UserStore.standing([merge.merged], in: tx)[merge.merged] else {
      throw HeraldError(.wrongState, "The person was erased; there is nothing to bring back.")
    }
    try UserStore.lock([root], in: tx)
    try CapUseStore.lock(lanes: [root.lane, merge.merged.lane], in: tx)
    guard let whole = try UserFactsStore.load([root], in: tx)[root] else { throw UserRef.notFound }
    let parts = complete(try UserPartStore.load([root], in: tx)[root], of: root, whole)
    let branch = UserMerge.branch(
      of: merge.merged, survivors: try MergeStore.survivors(within: root, in: tx))
    let rules = try AttributeStore.rules(in: tx)
    for (user, own) in [
      (merge.merged, parts.filter { branch.contains($0.key) }),
      (root, parts.filter { !branch.contains($0.key) }),
    ] {
      guard let facts = folded(own, of: user, rules: rules) else {
        throw HeraldError(.unexpected, "A merge left no record of user \(user.text).")
      }
      try UserFactsStore.write(
        facts, of: user, over: user == root ? whole : nil, now: now, in: tx)
      try UserPartStore.save(own.count > 1 ? own : [:], of: user, in: tx)
    }
    try MergeStore.handBack(
      branch.sorted(), from: root, to: merge.merged, now: now, in: tx)
    try MergeStore.separate(
      UserPair(root, merge.merged), by: caller.principal, now: now, in: tx)
    let events = try HistoryStore.count(of: root, limit: eventsAtOnce + 1, in: tx)
    let isLarge = events > eventsAtOnce
    if !isLarge, events > 0 {
      _ = try HistoryStore.move(from: root, after: .start, limit: nil, in: tx)
    }
    try MergeStore.markUndone(
      id, movingFrom: isLarge ? root : nil, by: caller.principal, now: now, in: tx)
    try AuditStore.append(
      AuditEntry(
        "user.unmerged", "user", root.text, after: ["merge": .id(id), "user": .id(merge.merged)],
        by: caller, at: now), in: tx)
    return try MergeStore.lock(id, in: tx)
  }

  private static func folded(
    _ parts: [UUID: UserFacts], of user: UUID, rules: [String: AttributeRule]
  ) -> UserFacts? {
    guard let own = parts[user] else { return nil }
    return parts.filter { $0.key != user }.sorted { $0.key < $1.key }
      .reduce(own) { $0.merged(with: $1.value, rules: rules) }
  }
}
