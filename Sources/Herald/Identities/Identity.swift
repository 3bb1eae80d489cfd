import Foundation

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

/// What somebody was called before, of which only what is known can say what it was: the id of a user,
/// or of a visitor.
public struct FormerName: Sendable, Hashable {
  /// Of a kind that separates people: whoever has it is another user, to be joined by a person only.
  public let user: Identity
  public let visitor: Identity
}

extension Sequence<Identity> {
  /// The most telling identity first.
  func byPriority() -> [Identity] {
    sorted { ($0.kind.priority, $1.value) > ($1.kind.priority, $0.value) }
  }
}
