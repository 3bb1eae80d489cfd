import Cryptography
import Foundation
import Postgres

/// Whose something is, and the user it came in on where a merge has made that another.
struct ResolvedUser: Sendable, Hashable {
  let id: UUID
  var origin: UUID?
}

/// Resolves batches of claims in their transaction: reads who is known, lets `IdentityResolution`
/// decide, writes what it decided, merges included.
enum IdentityClaims {
  typealias Claim = IdentityResolution.Claim

  struct Claimed {
    /// One for each claim, in order.
    let results: [IdentityResolution.Result]
    /// Users whose rows are the caller's to insert.
    let created: [UUID]
  }

  private struct NeedsToBeAlone: Error {}

  /// Shares the identity lock to the end of the transaction, or holds it alone when somebody has to
  /// be merged, an identity to change hands, or another was faster to claim the same ones. So of
  /// two that claim the same people one waits, and then sees all that the other did: neither
  /// deadlocks nor makes a second user.
  static func resolve(
    _ claims: [Claim], _ mode: IdentityResolution.Mode, by caller: Caller = .herald, now: Date,
    in tx: Transaction
  ) throws -> Claimed {
    do {
      return try tx.savepoint {
        try IdentityLock.share(in: tx)
        return try attempt(claims, mode, isAlone: false, by: caller, now: now, in: tx)
      }
    } catch is NeedsToBeAlone {
      // With the savepoint the shared lock is gone too.
      try IdentityLock.holdAlone(in: tx)
      return try attempt(claims, mode, isAlone: true, by: caller, now: now, in: tx)
    }
  }

  private static func attempt(
    _ claims: [Claim], _ mode: IdentityResolution.Mode, isAlone: Bool, by caller: Caller,
    now: Date, in tx: Transaction
  ) throws -> Claimed {
    var resolution = try read(claims, in: tx)
    for claim in resolution.claims {
      resolution.decision.resolve(claim, mode) { UUIDv7.next(now: now) }
    }
    let decided = resolution.decision
    let bound = decided.bound.sorted { $0.key < $1.key }
    let created = Set(decided.created)
    let moves = decided.moves.values.sorted { $0.identity < $1.identity }
    let changesPeople =
      !decided.merges.isEmpty || !moves.isEmpty
      || bound.contains { !$0.key.kind.multiple && !created.contains($0.value.user) }
    guard isAlone || !changesPeople else { throw NeedsToBeAlone() }
    guard try IdentityStore.bind(bound, now: now, in: tx) == bound.count else {
      guard isAlone else { throw NeedsToBeAlone() }
      throw HeraldError(
        .unavailable, "Others claim the same identities at once; send the request again.",
        retryAfter: 1)
    }
    try IdentityStore.move(moves, now: now, in: tx)
    for merge in decided.merges {
      try Merging.merge(
        merge.merged, into: merge.survivor, reason: .identity, by: caller, now: now, in: tx)
    }
    try IdentityConflictStore.open(decided.conflicts, now: now, in: tx)
    return Claimed(results: decided.settled, created: decided.created)
  }

  private static func read(
    _ claims: [Claim], in tx: Transaction
  ) throws -> (claims: [Claim], decision: IdentityResolution) {
    let targets = claims.compactMap(\.target)
    let identities = Set(claims.lazy.map(\.all).joined()).sorted()
    let owners = identities.isEmpty ? [:] : try IdentityStore.owners(of: identities, in: tx)
    let aliases = targets.isEmpty ? [:] : try UserStore.standing(targets, in: tx)
    let users = Set(owners.values.map(\.user)).union(targets.map { aliases[$0] ?? $0 })
    // Where every claim is of one identity, nobody is compared with anybody.
    guard claims.contains(where: { $0.all.count + ($0.target == nil ? 0 : 1) > 1 }) else {
      return (claims, IdentityResolution(owners: owners, people: [:], aliases: aliases))
    }
    let kinds = try IdentityKindStore.list(in: tx).map(\.kind)
    let people =
      users.isEmpty ? [:] : try IdentityStore.people(users.sorted(), kinds: kinds, in: tx)
    let apart = users.count < 2 ? [] : try IdentityStore.separations(among: users.sorted(), in: tx)
    return (
      claims.map { $0.weighed(by: kinds) },
      IdentityResolution(owners: owners, people: people, apart: apart, aliases: aliases)
    )
  }
}

extension IdentityResolution.Claim {
  /// Those it may turn out to be of among them.
  fileprivate var all: [Identity] {
    former.map { identities + [$0.visitor, $0.user] } ?? identities
  }

  /// With the kinds as they are declared now.
  fileprivate func weighed(by kinds: [IdentityKind]) -> IdentityResolution.Claim {
    func weighed(_ identity: Identity) -> Identity {
      let kind = kinds.first { $0 == identity.kind } ?? identity.kind
      return Identity(kind: kind, value: identity.value)
    }
    return IdentityResolution.Claim(
      identities: identities.map(weighed), target: target,
      former: former.map { FormerName(user: weighed($0.user), visitor: weighed($0.visitor)) })
  }
}
