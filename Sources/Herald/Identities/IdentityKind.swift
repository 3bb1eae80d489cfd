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

  /// Those that Herald comes with, highest priority first.
  public static let all = [
    externalID,
    IdentityKind(key: "wechat_unionid", priority: 90, multiple: false, onConflict: .conflict),
    IdentityKind(key: "phone", priority: 80, multiple: true, onConflict: .move),
    IdentityKind(key: "email", priority: 70, multiple: true, onConflict: .move),
    IdentityKind(key: "wechat_openid", priority: 60, multiple: true, onConflict: .move),
    IdentityKind(key: "device_id", priority: 20, multiple: true, onConflict: .share),
    IdentityKind(key: "anonymous_id", priority: 10, multiple: true, onConflict: .move),
  ]

  /// As declared where this is called; see `IdentityForm.standard`.
  public static func named(_ key: String) -> IdentityKind? { IdentityForm.standard.kind(key) }

  /// Two users with values of this kind are certainly two people.
  var separates: Bool { !multiple || onConflict == .conflict }

  public static func == (left: IdentityKind, right: IdentityKind) -> Bool {
    left.key.utf8.elementsEqual(right.key.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    var key = key
    key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}
