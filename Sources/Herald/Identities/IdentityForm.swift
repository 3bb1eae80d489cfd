import JSON

/// What is wrong with a value that should name somebody. The sentence never repeats the value.
public struct IdentityFault: Error, Sendable, Equatable {
  public let detail: String
}

/// Normalises identities once, at the edge: trims, lower-cases e-mail addresses, writes phone numbers
/// as E.164 by the project's region.
public struct IdentityForm: Sendable {
  public let region: PhoneRegion
  /// The declared kinds, highest priority first.
  public let kinds: [IdentityKind]

  public init(region: PhoneRegion = .china, kinds: [IdentityKind] = IdentityKind.all) {
    self.region = region
    self.kinds = kinds
  }

  /// As the project has it: bound for each request and each piece of background work by who starts
  /// it, and for transactions by `Database`. The defaults elsewhere.
  @TaskLocal public static var standard = IdentityForm()

  public func kind(_ key: String) -> IdentityKind? {
    kinds.first { $0.key.utf8.elementsEqual(key.utf8) }
  }

  public func identity(_ kind: String, _ text: String) throws(IdentityFault) -> Identity {
    guard let known = self.kind(kind) else {
      let kinds = kinds.map { "'\($0.key)'" }.joined(separator: ", ")
      throw IdentityFault(detail: "This is no kind of identity; use one of \(kinds).")
    }
    return Identity(kind: known, value: try value(text, of: known))
  }

  private func value(_ text: String, of kind: IdentityKind) throws(IdentityFault) -> String {
    let trimmed = Self.trim(text)
    guard !trimmed.isEmpty else {
      throw IdentityFault(detail: "An identity may not be empty; leave it out instead.")
    }
    guard trimmed.utf8.count <= 255 || trimmed.unicodeScalars.count <= 255 else {
      throw IdentityFault(detail: "An identity has at most 255 characters.")
    }
    guard !trimmed.hasControlCharacter else {
      throw IdentityFault(detail: "An identity may not contain control characters.")
    }
    switch kind.key {
    case "phone": return try region.e164(trimmed)
    case "email": return try Self.email(trimmed)
    default: return trimmed
    }
  }

  static func trim(_ text: String) -> String {
    // Nearly always there is nothing to trim, and a property is dear to look up.
    if let first = text.utf8.first, let last = text.utf8.last,
      0x21...0x7E ~= first, 0x21...0x7E ~= last
    {
      return text
    }
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }

  /// Lower case throughout: no provider of note tells `Li@` from `li@`, and two rows for one person
  /// would be worse.
  static func email(_ text: String) throws(IdentityFault) -> String {
    let lowered = text.lowercased()
    let parts = lowered.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    guard lowered.utf8.count <= 254, parts.count == 2, 1...64 ~= parts[0].count,
      isLocalPart(parts[0]), isDomain(parts[1])
    else { throw IdentityFault(detail: "An e-mail address such as li@example.com is expected.") }
    return lowered
  }

  private static func isLocalPart(_ part: Substring.UTF8View) -> Bool {
    part.first != UInt8(ascii: ".") && part.last != UInt8(ascii: ".")
      && part.allSatisfy { $0 > 0x20 && $0 != 0x7F && !"()<>[],;:\\\"".utf8.contains($0) }
  }

  private static func isDomain(_ part: Substring.UTF8View) -> Bool {
    let labels = part.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return labels.count >= 2
      && labels.allSatisfy { label in
        1...63 ~= label.count && label.first != UInt8(ascii: "-")
          && label.last != UInt8(ascii: "-")
          && label.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
              UInt8(ascii: "-"), 0x80...:
              true
            default: false
            }
          }
      }
  }
}
