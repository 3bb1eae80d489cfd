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

/// The one seam between `alias` and identity resolution: the two ids are claimed for one person, as
/// any event with both would. A known previousId makes that a merge, by the rules of its kind.
enum TrackingAlias {
  static func identities(user: Identity, previous: Identity) -> [Identity] {
    user.value.utf8.elementsEqual(previous.value.utf8) ? [user] : [user, previous]
  }
}
