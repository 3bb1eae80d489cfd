import JSON

/// What texts may name an erased person by: kept until they were gone through.
struct ErasedName: Sendable {
  private let kind: String
  private let value: String

  init(_ identity: Identity) {
    kind = identity.kind.key
    value = identity.value
  }

  /// As `json` wrote it.
  init?(_ json: JSONValue) {
    guard let kind = json["kind"]?.stringValue, let value = json["value"]?.stringValue else {
      return nil
    }
    (self.kind, self.value) = (kind, value)
  }

  var json: JSONValue { ["kind": .string(kind), "value": .string(value)] }

  /// What Herald's own answers hold that show it, as JSON writes them.
  var inAnswers: String {
    let text = JSONValue.string(value).text
    // A bare value may be as short as a digit and stand anywhere.
    return value.utf8.count < 6 ? "\"\(kind)\":\(text)" : text
  }

  /// What a text of anybody's that names it holds, in lower case; of a phone number the last digits.
  var trace: String {
    if kind == "phone" { return String(value.suffix(9)) }
    let text = value.lowercased()
    // A short one would be found in everything.
    return text.utf8.count < 6 ? JSONValue.string(text).text : text
  }
}
