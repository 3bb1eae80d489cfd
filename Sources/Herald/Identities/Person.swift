import Foundation

/// What resolution has to know of a user: their identities, and since when they are.
struct Person: Sendable, Equatable {
  /// Nil for one who is just being made.
  var createdAt: Date?
  private(set) var values: [IdentityKind: [String]] = [:]

  init(createdAt: Date?, identities: [Identity] = []) {
    self.createdAt = createdAt
    for identity in identities { add(identity) }
  }

  /// The priority of the most telling identity; -1 without any.
  var top: Int { values.keys.map(\.priority).max() ?? -1 }

  mutating func add(_ identity: Identity) {
    if !has(identity) { values[identity.kind, default: []].append(identity.value) }
  }

  mutating func remove(_ identity: Identity) {
    values[identity.kind]?.removeAll { $0.utf8.elementsEqual(identity.value.utf8) }
    if values[identity.kind]?.isEmpty ?? false { values[identity.kind] = nil }
  }

  func has(_ identity: Identity) -> Bool {
    values[identity.kind]?.contains { $0.utf8.elementsEqual(identity.value.utf8) } ?? false
  }

  /// Whether this could be another value of theirs.
  func isFree(for identity: Identity) -> Bool {
    identity.kind.multiple || values[identity.kind] == nil || has(identity)
  }

  /// Known by nothing that says more than a kind of this priority does.
  func isAnonymous(below priority: Int) -> Bool { top <= priority }

  /// The kind that tells them apart for certain; nil when they may be one person.
  func separation(from other: Person) -> IdentityKind? {
    values.keys.filter { $0.separates && other.values[$0] != nil }
      .max { ($0.priority, $1.key) < ($1.priority, $0.key) }
  }

  /// The same person as another, who is known by other identities.
  mutating func absorb(_ other: Person) {
    for (kind, values) in other.values {
      for value in values { add(Identity(kind: kind, value: value)) }
    }
    if let createdAt, let created = other.createdAt { self.createdAt = min(createdAt, created) }
  }

  /// Whether this one stands for both after a merge: the one with the most telling identity, then
  /// the older.
  func survives(_ other: Person, id: UUID, otherID: UUID) -> Bool {
    // Who is just being made is an identity of the other, not a user of their own.
    if (createdAt == nil) != (other.createdAt == nil) { return createdAt != nil }
    if top != other.top { return top > other.top }
    if let createdAt, let created = other.createdAt, createdAt != created {
      return createdAt < created
    }
    return id.text < otherID.text
  }
}

/// Two users, in no order.
struct UserPair: Sendable, Hashable {
  let one: UUID
  let other: UUID

  init(_ a: UUID, _ b: UUID) { (one, other) = a.text < b.text ? (a, b) : (b, a) }
}
