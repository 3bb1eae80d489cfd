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
      ? left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
      : left.kind.key.utf8.lexicographicallyPrecedes(right.kind.key.utf8)
  }
}

extension Sequence<Identity> {
  /// The most telling identity first.
  func byPriority() -> [Identity] {
    sorted { ($0.kind.priority, $1.value) > ($1.kind.priority, $0.value) }
  }
}
