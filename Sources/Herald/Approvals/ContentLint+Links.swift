import Foundation
import HTTP

extension ContentLint {
  /// Links that lead nowhere a reader can go, or not safely.
  static func links(
    _ key: String, _ texts: [(field: String, text: String)]
  ) -> [Finding] {
    var found: [Finding] = []
    for (field, text) in texts {
      for link in addresses(in: text, isWhole: ["url", "image"].contains(field)) {
        guard let (level, code, reason) = fault(of: link) else { continue }
        let finding = Finding(
          level: level, code: code, template: key, field: field, text: "\(link) \(reason)")
        if !found.contains(finding) { found.append(finding) }
      }
    }
    return found
  }

  private static func fault(
    of link: String
  ) -> (level: Finding.Level, code: String, reason: String)? {
    // What a value is put into is judged by what stands before it.
    let fixed = link.range(of: "{{").map { String(link[..<$0.lowerBound]) } ?? link
    let scheme = fixed.prefix { $0 != ":" }.lowercased()
    guard fixed.contains("://") else {
      return link.contains("{{") ? nil : (.error, "broken_link", "is no address.")
    }
    // Apps open addresses of their own.
    guard scheme == "http" || scheme == "https" else { return nil }
    let host = fixed.dropFirst(scheme.count + 3).prefix { !"/?#".contains($0) }
    if host.isEmpty, link.contains("{{") { return nil }
    let name = host.split(separator: "@").last.map(String.init) ?? ""
    if HTTPClient.refusal(forURL: "\(scheme)://\(host)/", allowPrivate: true) != nil
      || !(name.contains(".") || name.contains(":"))
    {
      return (.error, "broken_link", "leads to no host that readers can reach.")
    }
    if HTTPClient.refusal(forURL: "\(scheme)://\(host)/", allowPrivate: false) != nil {
      return (.error, "private_link", "leads to an address inside a network.")
    }
    return scheme == "http"
      ? (.warning, "insecure_link", "is not encrypted; https:// is.") : nil
  }

  /// `isWhole`: the field is one address; otherwise those that stand in the text.
  private static func addresses(in text: String, isWhole: Bool) -> [String] {
    if isWhole { return [text] }
    let ends: Set<Character> = ["\"", "'", "<", ">", "(", ")", "，", "。", "、", "；", "！", "？", "】"]
    var links: [String] = []
    var rest = text[...]
    while let start = rest.range(
      of: #"https?://"#, options: [.regularExpression, .caseInsensitive])
    {
      var isInside = false
      var link = ""
      for character in rest[start.lowerBound...] {
        if link.hasSuffix("{{") { isInside = true }
        if link.hasSuffix("}}") { isInside = false }
        if !isInside, character.isWhitespace || ends.contains(character) { break }
        link.append(character)
      }
      rest = rest[start.lowerBound...].dropFirst(max(link.count, 1))
      while let last = link.last, ".,;:!?".contains(last) { link.removeLast() }
      links.append(link)
    }
    return links
  }
}
