/// Language tags of BCP 47 (RFC 5646 section 2.1), as far as their form goes.
enum LanguageTag {
  /// `zh-hans-cn` as `zh-Hans-CN`; nil when the text is no well-formed tag.
  static func canonical(_ text: String) -> String? {
    guard 2...63 ~= text.utf8.count else { return nil }
    let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard let language = parts.first, 2...3 ~= language.count || 5...8 ~= language.count,
      language.allSatisfy(isLetter)
    else { return nil }
    var canonical = String(Substring(language)).lowercased()
    var place = Place.language
    for part in parts.dropFirst() {
      guard let (next, form) = accept(part, after: place) else { return nil }
      place = next
      canonical += "-" + form
    }
    return place == .singleton ? nil : canonical
  }

  private enum Place: Int {
    case language, script, region, variant, singleton, `extension`
  }

  private static func accept(
    _ part: Substring.UTF8View, after place: Place
  ) -> (Place, String)? {
    let text = String(Substring(part)).lowercased()
    let isWord = part.allSatisfy { isLetter($0) || isDigit($0) }
    guard isWord, 1...8 ~= part.count else { return nil }
    if place.rawValue >= Place.singleton.rawValue {
      if part.count == 1 { return place == .extension ? (.singleton, text) : nil }
      return (.extension, text)
    }
    if part.count == 1 { return (.singleton, text) }
    if place == .language, part.count == 4, part.allSatisfy(isLetter) {
      return (.script, text.prefix(1).uppercased() + text.dropFirst())
    }
    if place.rawValue <= Place.script.rawValue {
      if part.count == 2, part.allSatisfy(isLetter) { return (.region, text.uppercased()) }
      if part.count == 3, part.allSatisfy(isDigit) { return (.region, text) }
      if place == .language, part.count == 3, part.allSatisfy(isLetter) { return (.language, text) }
    }
    let isVariant = part.count >= 5 || part.count == 4 && part.first.map(isDigit) ?? false
    return isVariant ? (.variant, text) : nil
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
  }
}
