import JSON

/// A plan that comes with Herald, with the templates, segments, tags and coupons it needs, in every
/// language it is written in.
struct ReadyPlan: Sendable {
  enum Language: String, Sendable, CaseIterable { case en, zh }

  let key: String
  /// As it is embedded.
  private let json: JSONValue

  /// Nil when the document has no key.
  init?(_ json: JSONValue) {
    guard let key = json["key"]?.stringValue else { return nil }
    self.key = key
    self.json = json
  }

  /// What is to be known before it is installed; texts in all languages.
  var summary: JSONObject {
    let document = json["package"]?["document"]
    let chains = document?["steps"]?.arrayValue?.flatMap {
      $0["send"]?["chain"]?.arrayValue ?? []
    }
    let channels = Set((chains ?? []).compactMap { $0["channel"]?.stringValue }).sorted()
    return [
      "key": .string(key), "stage": json["stage"] ?? .null, "name": json["name"] ?? .null,
      "summary": json["summary"] ?? .null, "trigger": .string(trigger(document?["trigger"])),
      "channels": .array(channels.map(JSONValue.string)),
      "needs": json["needs"] ?? .object(JSONObject()),
    ]
  }

  private func trigger(_ trigger: JSONValue?) -> String {
    let kinds = ["event", "date", "scene", "api", "cron"]
    return kinds.first { trigger?[$0] != nil } ?? "segment"
  }

  /// The package with its texts in one language, as an export of the installed plan would be.
  func package(in language: Language) throws -> PlanPackage {
    let faults = Faults()
    var package = json["package"]?.objectValue ?? JSONObject()
    package["format"] = .string(PlanPackage.format)
    let spoken = Self.spoken(.object(package), language)
    guard let reader = ObjectReader(spoken, faults: faults) else {
      throw HeraldError.invalid(faults.all)
    }
    let result = PlanPackage(key: key, reader, faults)
    reader.finish()
    guard let result, faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    return result
  }

  private static func spoken(_ value: JSONValue, _ language: Language) -> JSONValue {
    switch value {
    case .array(let elements): return .array(elements.map { spoken($0, language) })
    case .object(let object):
      let isText = object.keys.sorted() == Language.allCases.map(\.rawValue).sorted()
      if isText, let text = object[language.rawValue] { return text }
      return .object(
        JSONObject(object.map { (key: $0.key, value: spoken($0.value, language)) }))
    default: return value
    }
  }
}
