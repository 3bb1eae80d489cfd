import Foundation

/// Decides whose identities a batch of claims is, one claim after the other, each seeing what those
/// before it decided. Pure: the store gives it the known owners and writes what it decided.
///
/// A claim belongs to the owner of its most telling identity. None known: a new user. Its other
/// identities are bound to that user when nobody has them. Those of other users: when the two may be
/// one person, they are merged. When a kind that separates says that they are two, an identity of a
/// `move` kind goes to the claimant as long as the claim itself says who that is, one of a `share`
/// kind too, and everything else is a conflict for a person to settle.
///
/// Identities of `share` kinds join nobody who is known by something better: a household may have
/// one device. They lead to a user, and take along those who are known by nothing else.
///
/// A strict claim is refused as a whole on a conflict; a lenient one (an event) never fails.
struct IdentityResolution {
  enum Mode { case strict, lenient }

  enum Outcome: Sendable, Equatable {
    case user(UUID, isNew: Bool)
    case conflict(String)
  }

  /// Whose an identity is, and the user it came in with before any merge.
  struct Owner: Sendable, Equatable {
    var user: UUID
    var origin: UUID
  }

  struct Move: Sendable, Equatable {
    let identity: Identity
    let from: UUID
    var to: Owner
  }

  struct Conflict: Sendable, Equatable {
    let pair: UserPair
    let kind: IdentityKind
    let identities: [Identity]
  }

  /// The identities somebody comes with; may be empty only when `target` already says who it is.
  struct Claim: Sendable {
    let identities: [Identity]
    /// By Herald's id, which may be one merged away since.
    var target: UUID?
    var former: FormerName?
  }

  struct Result: Sendable, Equatable {
    let outcome: Outcome
    /// The user the claim came in on, before any merge.
    var origin: UUID?
  }

  private var owners: [Identity: Owner]
  private var people: [UUID: Person]
  private let apart: Set<UserPair>
  /// Users named as targets that were merged away, with who stands for them.
  private let aliases: [UUID: UUID]
  /// What was merged in this batch.
  private var parents: [UUID: UUID] = [:]
  private var results: [Result] = []
  private(set) var created: [UUID] = []
  /// Made up in this batch, and found to be somebody else.
  private var dropped: [UUID: UUID] = [:]
  private var newlyBound: [Identity: Owner] = [:]
  private var moved: [Identity: Move] = [:]
  /// Of users that exist, in the order in which they must be carried out.
  private(set) var merges: [(merged: UUID, survivor: UUID)] = []
  private var open: [Conflict] = []

  /// `people`: every owner and target, unless all claims are of a single identity.
  init(
    owners: [Identity: Owner], people: [UUID: Person], apart: Set<UserPair> = [],
    aliases: [UUID: UUID] = [:]
  ) {
    self.owners = owners
    self.people = people
    self.apart = apart
    self.aliases = aliases
  }

  /// The outcome as far as the claims up to this one decide it; `settled` has the last word.
  @discardableResult
  mutating func resolve(_ claim: Claim, _ mode: Mode, newID: () -> UUID) -> Outcome {
    let identities = identities(of: claim).byPriority()
    // With somebody who is refused before they exist there is nothing to settle.
    let known = claim.target.map { find(aliases[$0] ?? $0) } ?? target(of: identities)
    let target = known ?? newID()
    let plan = ClaimSteps(identities, target, self)
    if mode == .lenient || known != nil { open += plan.conflicts }
    if mode == .strict, let refusal = plan.refusal {
      results.append(Result(outcome: .conflict(refusal)))
      return .conflict(refusal)
    }
    let origin = claim.target ?? wayIn(identities, to: target) ?? target
    if known == nil {
      created.append(target)
      people[target] = Person(createdAt: nil)
    }
    carryOut(plan, target, origin: origin)
    if let former = claim.former { linkUser(former, identities, to: target) }
    results.append(Result(outcome: .user(target, isNew: known == nil), origin: origin))
    return .user(find(target), isNew: known == nil)
  }

  // MARK: - What came of it

  /// One for each claim, in order. The origin is nil where it is the user.
  var settled: [Result] {
    results.map { result in
      guard case .user(let user, let isNew) = result.outcome else { return result }
      let owner = settle(Owner(user: user, origin: result.origin ?? user))
      return Result(
        outcome: .user(owner.user, isNew: isNew && dropped[user] == nil),
        origin: owner.origin == owner.user ? nil : owner.origin)
    }
  }

  /// To be inserted.
  var bound: [Identity: Owner] { newlyBound.mapValues(settle) }

  var moves: [Identity: Move] {
    moved.mapValues { Move(identity: $0.identity, from: $0.from, to: settle($0.to)) }
      .filter { $1.to.user != find($1.from) || dropped[$1.from] != nil }
  }

  var conflicts: [Conflict] {
    open.compactMap { conflict in
      let pair = UserPair(find(conflict.pair.one), find(conflict.pair.other))
      guard pair.one != pair.other else { return nil }
      return Conflict(pair: pair, kind: conflict.kind, identities: conflict.identities)
    }
  }

  private func settle(_ owner: Owner) -> Owner {
    var origin = owner.origin
    while let next = dropped[origin] { origin = next }
    return Owner(user: find(owner.user), origin: origin)
  }

  func find(_ user: UUID) -> UUID {
    var user = user
    while let next = parents[user] { user = next }
    return user
  }
}

// MARK: - Whose claim it is

extension IdentityResolution {
  private func target(of claim: [Identity]) -> UUID? {
    for identity in claim where identity.kind.onConflict != .share {
      guard let owner = owner(of: identity) else { continue }
      let above = claim.filter {
        $0.kind.separates && $0.kind.priority >= identity.kind.priority
      }
      let person = person(owner)
      if above.allSatisfy({ person.isFree(for: $0) }) { return owner }
    }
    for identity in claim where identity.kind.onConflict == .share {
      if let owner = owner(of: identity), mayBe(owner, claim, by: identity.kind) { return owner }
    }
    return nil
  }

  /// Whether a shared thing says that a claim of otherwise unknown identities is its owner's.
  private func mayBe(_ owner: UUID, _ claim: [Identity], by shared: IdentityKind) -> Bool {
    let person = person(owner)
    return claim.allSatisfy { identity in
      guard identity.kind.onConflict != .share else { return true }
      if identity.kind.separates { return person.isFree(for: identity) }
      return identity.kind.priority <= shared.priority || person.values[identity.kind] == nil
    }
  }

  /// A name that only a user goes by is no visitor's.
  private func identities(of claim: Claim) -> [Identity] {
    guard let former = claim.former else { return claim.identities }
    let isVisitor = owners[former.visitor] != nil || owners[former.user] == nil
    return isVisitor ? claim.identities + [former.visitor] : claim.identities
  }

  private func wayIn(_ claim: [Identity], to target: UUID) -> UUID? {
    claim.lazy.compactMap { owners[$0] }.first { find($0.user) == target }?.origin
  }

  func owner(of identity: Identity) -> UUID? {
    owners[identity].map { find($0.user) }
  }

  func person(_ user: UUID) -> Person { people[user] ?? Person(createdAt: nil) }

  func areApart(_ one: UUID, _ other: UUID) -> Bool {
    !apart.isEmpty && apart.contains(UserPair(one, other))
  }
}

// MARK: - Carrying out

extension IdentityResolution {
  private mutating func carryOut(_ plan: ClaimSteps, _ target: UUID, origin: UUID) {
    for (identity, step) in plan.steps {
      let user = find(target)
      switch step {
      case .bind:
        newlyBound[identity] = Owner(user: user, origin: origin)
        take(identity, user, origin)
      case .merge(let other): merge(find(other), user)
      case .move: move(identity, to: Owner(user: user, origin: origin))
      case .leave: break
      }
    }
  }

  /// Two users with names of their own, said to be one person, are for a person to settle.
  private mutating func linkUser(_ former: FormerName, _ claim: [Identity], to target: UUID) {
    guard let other = owner(of: former.user) else { return }
    let user = find(target)
    guard other != user, !areApart(other, user) else { return }
    open.append(
      Conflict(
        pair: UserPair(user, other), kind: former.user.kind, identities: claim + [former.user]))
  }

  private mutating func move(_ identity: Identity, to owner: Owner) {
    guard let former = owners[identity] else { return }
    if newlyBound[identity] != nil {
      newlyBound[identity] = owner
    } else {
      let from = moved[identity]?.from ?? former.user
      moved[identity] = Move(identity: identity, from: from, to: owner)
    }
    people[find(former.user)]?.remove(identity)
    take(identity, owner.user, owner.origin)
  }

  private mutating func take(_ identity: Identity, _ user: UUID, _ origin: UUID) {
    owners[identity] = Owner(user: user, origin: origin)
    people[user]?.add(identity)
  }

  private mutating func merge(_ a: UUID, _ b: UUID) {
    guard a != b else { return }
    let keepsA = person(a).survives(person(b), id: a, otherID: b)
    let (survivor, merged) = keepsA ? (a, b) : (b, a)
    let other = person(merged)
    people[survivor]?.absorb(other)
    parents[merged] = survivor
    if other.createdAt == nil {
      created.removeAll { $0 == merged }
      dropped[merged] = survivor
    } else {
      merges.append((merged, survivor))
    }
  }
}
