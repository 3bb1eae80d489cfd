import JSON

/// Traits that say who somebody is.
enum TrackingTraits {
  /// Takes a well-formed `email` and `phone` out of the traits, as identities; others stay traits.
  static func takeIdentities(from traits: inout JSONObject) -> [Identity] {
    var found: [Identity] = []
    for kind in ["email", "phone"] {
      guard let text = traits[kind].flatMap(text),
        let identity = try? IdentityForm.standard.identity(kind, text)
      else { continue }
      traits[kind] = nil
      found.append(identity)
    }
    return found
  }

  private static func text(_ value: JSONValue) -> String? {
    value.stringValue ?? value.numberValue?.text
  }
}

/// The one seam between `alias` and identity resolution. A previousId that visitors go by is claimed
/// for the user, as any event with both would; that of a user is another user's, whom no rule merges:
/// a conflict for a person to settle.
enum TrackingAlias {
  /// Nil for a user's own id.
  static func former(of user: Identity, _ visitor: Identity) -> FormerName? {
    guard !user.value.utf8.elementsEqual(visitor.value.utf8) else { return nil }
    return FormerName(
      user: Identity(kind: user.kind, value: visitor.value), visitor: visitor)
  }
}
