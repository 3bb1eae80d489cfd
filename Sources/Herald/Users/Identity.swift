import Foundation

/// A kind of identity, as declared: its weight, how many a user may have, and what happens when two
/// users claim one value. The table `identity_kinds` says the same.
public struct IdentityKind: Sendable, Hashable {
  public enum ConflictRule: String, Sendable, CaseIterable {
    /// Goes to the newer claim, with history.
    case move
    /// May belong to several people; the last login is its current owner.
    case share
    /// Two values mean two people, never merged without a person's decision.
    case conflict
  }

  public let key: String
  public let priority: Int
  /// Whether a user may have several values.
  public let multiple: Bool
  public let onConflict: ConflictRule

  public static let externalID = IdentityKind(
    key: "external_id", priority: 100, multiple: false, onConflict: .conflict)

  /// Highest priority first.
  public static let all = [
    externalID,
    IdentityKind(key: "wechat_unionid", priority: 90, multiple: false, onConflict: .conflict),
    IdentityKind(key: "phone", priority: 80, multiple: true, onConflict: .move),
    IdentityKind(key: "email", priority: 70, multiple: true, onConflict: .move),
    IdentityKind(key: "wechat_openid", priority: 60, multiple: true, onConflict: .move),
    IdentityKind(key: "device_id", priority: 20, multiple: true, onConflict: .share),
    IdentityKind(key: "anonymous_id", priority: 10, multiple: true, onConflict: .move),
  ]

  public static func named(_ key: String) -> IdentityKind? {
    all.first { $0.key.utf8.elementsEqual(key.utf8) }
  }

  /// Says who somebody is: two values of such a kind are two people.
  var isAnchor: Bool { !multiple }

  public static func == (left: IdentityKind, right: IdentityKind) -> Bool { left.key == right.key }
  public func hash(into hasher: inout Hasher) { hasher.combine(priority) }
}

/// What a user is addressed by. Values are normalised (`IdentityForm`) and compare by bytes, as
/// PostgreSQL compares them; Swift's strings would take "é" and "e\u{301}" for one.
public struct Identity: Sendable, Hashable, Comparable {
  public let kind: IdentityKind
  public let value: String

  /// `value` must be normalised already: from the database, or by `IdentityForm`.
  public init(kind: IdentityKind, value: String) {
    self.kind = kind
    self.value = value
  }

  public static func == (left: Identity, right: Identity) -> Bool {
    left.kind == right.kind && left.value.utf8.elementsEqual(right.value.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(kind)
    var value = value
    value.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }

  /// The order of the primary key of `identities`.
  public static func < (left: Identity, right: Identity) -> Bool {
    left.kind == right.kind
      ? precedes(left.value, right.value) : precedes(left.kind.key, right.kind.key)
  }

  /// By bytes; thousands are sorted for every batch of events.
  private static func precedes(_ left: String, _ right: String) -> Bool {
    var (left, right) = (left, right)
    return left.withUTF8 { left in
      right.withUTF8 { right in
        let count = min(left.count, right.count)
        guard count > 0, let a = left.baseAddress, let b = right.baseAddress else {
          return left.count < right.count
        }
        let order = memcmp(a, b, count)
        return order == 0 ? left.count < right.count : order < 0
      }
    }
  }
}

extension Sequence<Identity> {
  /// The most telling identity first.
  func byPriority() -> [Identity] {
    sorted { ($0.kind.priority, $1.value) > ($1.kind.priority, $0.value) }
  }
}
