import Foundation
import JSON
import Templates

/// What an approver should know of the content before agreeing to it: variables that some people
/// lack, lengths, links, words that must not be said, events that never came. It stops nothing by
/// itself.
struct ContentLint {
  struct Finding: Sendable, Equatable {
    enum Level: String, Sendable, CaseIterable { case info, warning, error }

    let level: Level
    let code: String
    /// Nil: the plan itself.
    let template: String?
    /// Of the content; empty for the whole of it. A pointer into the plan without a template.
    let field: String
    let text: String

    var json: JSONValue {
      [
        "level": .string(level.rawValue), "code": .string(code), "template": .optional(template),
        "field": .string(field), "text": .string(text),
      ]
    }
  }

  let document: PlanDocument
  let dryRun: DryRun
  let rules: ContentRules
  /// Properties that events of the trigger's name were seen with; none is known of other triggers.
  let properties: Set<String>
  /// Events the plan names that never came.
  var unseen: [UnseenEvent] = []
  /// Whether there is an address under which people can unsubscribe.
  var offersUnsubscribing = true
  /// About the plan itself.
  var further: [Finding] = []

  /// All findings, the worst first.
  func findings(_ templates: JSONObject) throws -> [Finding] {
    var found = unseen.map(\.finding) + further
    for (key, manifest) in templates.members {
      let template = try PreparedTemplate(manifest: manifest)
      let content = manifest["content"] ?? .null
      found += variables(key, template)
      found += Self.lengths(key, template.channel, content, samples(of: key))
      found += Self.links(key, texts(content))
      found += words(key, texts(content) + samples(of: key).flatMap(texts))
      found += Self.duties(key, template, content, document.messageClass)
    }
    return Finding.Level.allCases.reversed().flatMap { level in found.filter { $0.level == level } }
  }

  private func samples(of template: String) -> [JSONValue] {
    dryRun.samples.filter { $0["template"]?.stringValue == template }.compactMap { $0["content"] }
  }

  /// Every text of a content with the name of its field.
  private func texts(_ content: JSONValue) -> [(field: String, text: String)] {
    func all(_ value: JSONValue) -> [String] {
      switch value {
      case .string(let text): [text]
      case .array(let elements): elements.flatMap(all)
      case .object(let object): object.members.flatMap { all($0.value) }
      case .null, .bool, .number: []
      }
    }
    return (content.objectValue ?? [:]).members.flatMap { field, value in
      all(value).map { (field, $0) }
    }
  }

  // MARK: - Variables

  private func variables(_ key: String, _ template: PreparedTemplate) -> [Finding] {
    let fate =
      switch template.onMissing {
      case .default: "read nothing there"
      case .skip: "are skipped"
      case .fail: "are not sent it"
      }
    return template.needs.compactMap { path in
      func finding(_ level: Finding.Level, _ code: String, _ text: String) -> Finding {
        Finding(level: level, code: code, template: key, field: "", text: text)
      }
      switch path.root {
      case .user:
        guard let lacking = dryRun.missing[path.description], lacking > 0 else { return nil }
        return finding(
          .warning, "missing_variable",
          "\(lacking) of \(dryRun.entrants) people have no \(path); they \(fate). "
            + "A default would give them something to read.")
      case .event:
        guard document.trigger.bringsProperties else {
          return finding(
            .error, "unknown_variable",
            "\(path) is shown, but people enter this plan without an event; they \(fate).")
        }
        guard let name = path.names.first, !properties.isEmpty, !properties.contains(name)
        else { return nil }
        return finding(
          .warning, "unseen_property",
          "\(path) is shown, but no event of the trigger had this property so far.")
      case .steps:
        guard let step = path.names.first, document.step(step)?.chain.isEmpty ?? true else {
          return nil
        }
        return finding(
          .error, "unknown_variable", "\(path) is shown, but there is no step '\(step)' that sends."
        )
      case .unsubscribeURL:
        guard !offersUnsubscribing else { return nil }
        return finding(
          .error, "no_public_url",
          "unsubscribe_url is shown, but Herald does not know under which address readers reach it "
            + "(HERALD_PUBLIC_URL); they \(fate).")
      case .plan, .item, .header: return nil
      }
    }
  }

  // MARK: - Lengths

  /// Characters a lock screen shows.
  private static let titleShown = 50
  private static let bodyShown = 178

  private static func lengths(
    _ key: String, _ channel: Channel, _ content: JSONValue, _ samples: [JSONValue]
  ) -> [Finding] {
    let all = samples.filter { $0.objectValue != nil } + (samples.isEmpty ? [content] : [])
    switch channel {
    case .sms:
      guard let longest = all.map(SMSLength.init(message:)).max(by: { $0.units < $1.units })
      else { return [] }
      let size = "\(longest.units) units of \(longest.encoding.rawValue), signature included"
      return [
        Finding(
          level: longest.parts > 1 ? .warning : .info, code: "sms_parts", template: key,
          field: "text",
          text: longest.parts > 1
            ? "The longest sample is sent and paid for as \(longest.parts) messages: \(size)."
            : "The longest sample is one message: \(size).")
      ]
    case .push, .inApp:
      return [("title", titleShown), ("body", bodyShown)].compactMap { field, limit in
        let length = all.map { $0[field]?.stringValue?.count ?? 0 }.max() ?? 0
        guard length > limit else { return nil }
        return Finding(
          level: .warning, code: "long_text", template: key, field: field,
          text: "The longest sample has \(length) characters; many screens show \(limit).")
      }
    case .email, .wechat, .webhook, .serviceMessage, .coupon: return []
    }
  }

  // MARK: - Words

  private func words(_ key: String, _ texts: [(field: String, text: String)]) -> [Finding] {
    var found: [Finding] = []
    for word in rules.forbiddenWords {
      let fields = texts.filter {
        $0.text.range(of: word, options: [.caseInsensitive, .widthInsensitive]) != nil
      }.map(\.field)
      for field in Set(fields).sorted() {
        found.append(
          Finding(
            level: .error, code: "forbidden_word", template: key, field: field,
            text: "'\(word)' must not be said (settings, content.forbidden_words)."))
      }
    }
    return found
  }

  /// What marketing owes its readers.
  private static func duties(
    _ key: String, _ template: PreparedTemplate, _ content: JSONValue, _ messageClass: MessageClass
  ) -> [Finding] {
    guard messageClass == .marketing else { return [] }
    if template.channel == .sms, content["signature"] == nil {
      return [
        Finding(
          level: .warning, code: "no_signature", template: key, field: "signature",
          text: "Marketing by SMS names its sender: give the template a signature.")
      ]
    }
    if template.channel == .email, !template.references.contains("unsubscribe_url") {
      return [
        Finding(
          level: .warning, code: "no_unsubscribe", template: key, field: "",
          text: "Marketing by e-mail offers a way out: show {{ unsubscribe_url }}.")
      ]
    }
    return []
  }
}
