import Foundation

/// What is to be done with each identity of a claim, and what cannot be.
struct ClaimSteps {
  enum Step {
    case bind, move, leave
    case merge(UUID)
  }

  private(set) var steps: [(identity: Identity, step: Step)] = []
  private(set) var conflicts: [IdentityResolution.Conflict] = []
  private(set) var refusal: String?
  /// The claimant as they would be.
  private var whole: Person
  private var joined: Set<UUID>

  init(_ claim: [Identity], _ target: UUID, _ resolution: IdentityResolution) {
    whole = resolution.person(target)
    joined = [target]
    for identity in claim {
      let step = step(identity, claim, target, resolution)
      switch step {
      case .bind, .move: whole.add(identity)
      case .merge(let other):
        whole.absorb(resolution.person(other))
        joined.insert(other)
      case .leave: break
      }
      steps.append((identity, step))
    }
  }

  private mutating func step(
    _ identity: Identity, _ claim: [Identity], _ target: UUID, _ resolution: IdentityResolution
  ) -> Step {
    let kind = identity.kind
    guard let owner = resolution.owner(of: identity) else {
      if whole.isFree(for: identity) { return .bind }
      refuse("The user has another \(kind.key) already, and can have only one.")
      return .leave
    }
    guard !joined.contains(owner) else { return .leave }
    let other = resolution.person(owner)
    let separation = whole.separation(from: other)
    let isDecided = joined.contains { resolution.areApart($0, owner) }
    let isOne = separation == nil && !isDecided
    if kind.onConflict == .share {
      let floor = kind.priority
      if isOne, other.isAnonymous(below: floor) || whole.isAnonymous(below: floor) {
        return .merge(owner)
      }
      return claim.contains { $0.kind.priority > floor } ? .move : .leave
    }
    if isOne { return .merge(owner) }
    if kind.onConflict == .move, saysWho(claim, above: kind, target, resolution) { return .move }
    refuse(
      "The \(kind.key) belongs to another user, who is not the same person for certain; send the "
        + "identities of one of them only, or settle it under /v1/identity-conflicts.")
    if let separation, !isDecided {
      conflicts.append(
        .init(pair: UserPair(target, owner), kind: separation, identities: claim))
    }
    return .leave
  }

  /// Whether the claim names its person by something that separates people. Which of two users a
  /// bare phone number and e-mail address mean cannot be told.
  private func saysWho(
    _ claim: [Identity], above kind: IdentityKind, _ target: UUID,
    _ resolution: IdentityResolution
  ) -> Bool {
    claim.contains { identity in
      identity.kind.separates && identity.kind.priority > kind.priority
        && whole.has(identity) && resolution.owner(of: identity).map(joined.contains) ?? true
    }
  }

  private mutating func refuse(_ reason: String) { if refusal == nil { refusal = reason } }
}
