import Foundation

/// Decides whose identities a batch of claims is, one claim after the other, each seeing what those
/// before it decided. Pure: the store gives it the known owners and writes what it decided.
///
/// A claim whose identities are all unknown makes a new user; one known user gets the new ones. When
/// several users are known, a strict claim follows product.md only as far as it is safe: an identity
/// of a `share` kind goes to the claimant, one of a `move` kind too when its owner is certainly
/// another person (both have an external_id or unionid, and they differ). Everything else would be a
/// merge, which needs more than this, and is a conflict. A lenient claim (an event) never fails: it
/// belongs to the owner of its highest-priority identity, and what cannot be bound is left alone.
struct IdentityResolution {
  enum Mode { case strict, lenient }

  enum Outcome: Sendable, Equatable {
    case user(UUID, isNew: Bool)
    case conflict(String)
  }

  struct Move: Sendable, Equatable {
    let identity: Identity
    let from: UUID
    let to: UUID
  }

  /// The identities somebody comes with; may be empty only when `target` already says who it is.
  struct Claim: Sendable {
    let identities: [Identity]
    var target: UUID?
  }

  private var owners: [Identity: UUID]
  /// The values of anchor kinds (one a user) by user.
  private var anchors: [UUID: [IdentityKind: String]]
  private(set) var created: [UUID] = []
  /// To be inserted.
  private(set) var bound: [Identity: UUID] = [:]
  private(set) var moves: [Identity: Move] = [:]

  /// `anchors`: the identities of anchor kinds of every owner in `owners`.
  init(owners: [Identity: UUID], anchors: [UUID: [Identity]]) {
    self.owners = owners
    self.anchors = anchors.mapValues { identities in
      Dictionary(identities.map { ($0.kind, $0.value) }, uniquingKeysWith: { first, _ in first })
    }
  }

  mutating func resolve(_ claim: Claim, _ mode: Mode, newID: () -> UUID) -> Outcome {
    let given = claim.target
    let claim = claim.identities.byPriority()
    let claimed = claim.filter(\.kind.isAnchor)
    let decided = (given.map { [$0] } ?? []) + claimed.compactMap { owners[$0] }
    if mode == .strict, let first = decided.first, decided.contains(where: { $0 != first }) {
      return .conflict("The identities belong to different people; send one of them alone.")
    }
    let known = decided.first ?? candidate(claim, claimed)
    let target = known ?? newID()
    if mode == .strict, let conflict = refusal(claim, target) { return .conflict(conflict) }
    if known == nil { created.append(target) }
    for identity in claim { settle(identity, target, mode) }
    return .user(target, isNew: known == nil)
  }

  /// The known owner of the highest priority who could be the person of these anchors.
  private func candidate(_ claim: [Identity], _ claimed: [Identity]) -> UUID? {
    claim.lazy.compactMap { owners[$0] }.first { isFree($0, for: claimed) }
  }

  private func isFree(_ user: UUID, for claimed: [Identity]) -> Bool {
    claimed.allSatisfy { identity in
      guard let value = anchors[user]?[identity.kind] else { return true }
      return value.utf8.elementsEqual(identity.value.utf8)
    }
  }

  private func refusal(_ claim: [Identity], _ target: UUID) -> String? {
    for identity in claim {
      let owner = owners[identity]
      if owner == nil, identity.kind.isAnchor, !isFree(target, for: [identity]) {
        return "The user has another \(identity.kind.key) already, and can have only one."
      }
      guard let owner, owner != target, identity.kind.onConflict != .share else { continue }
      guard identity.kind.onConflict == .move, areDifferent(owner, target, claim) else {
        return "The \(identity.kind.key) belongs to another user, and which of the two is meant "
          + "cannot be told; send the identities of one of them only."
      }
    }
    return nil
  }

  /// Whether two users are certainly two people: they have, or are just given, different values of
  /// an anchor kind.
  private func areDifferent(_ owner: UUID, _ target: UUID, _ claim: [Identity]) -> Bool {
    var wanted = anchors[target] ?? [:]
    for identity in claim where identity.kind.isAnchor { wanted[identity.kind] = identity.value }
    // Which of two users a bare phone number and e-mail address mean cannot be told.
    guard claim.contains(where: \.kind.isAnchor) else { return false }
    return wanted.contains { kind, value in
      guard let other = anchors[owner]?[kind] else { return false }
      return !other.utf8.elementsEqual(value.utf8)
    }
  }

  private mutating func settle(_ identity: Identity, _ target: UUID, _ mode: Mode) {
    guard let owner = owners[identity] else {
      guard !identity.kind.isAnchor || isFree(target, for: [identity]) else { return }
      bound[identity] = target
      take(identity, target)
      return
    }
    guard owner != target, mode == .strict || identity.kind.onConflict == .share else { return }
    if bound[identity] != nil {
      bound[identity] = target
    } else {
      let from = moves[identity]?.from ?? owner
      moves[identity] = from == target ? nil : Move(identity: identity, from: from, to: target)
    }
    take(identity, target)
  }

  private mutating func take(_ identity: Identity, _ target: UUID) {
    owners[identity] = target
    if identity.kind.isAnchor { anchors[target, default: [:]][identity.kind] = identity.value }
  }
}
