import JSON
import Templates

/// Renders the texts of one message and gathers what was absent.
struct MessageRendering {
  private let variables: RenderVariables
  /// Absent values read as the empty text; else they are noted in `missing`.
  private let fillsGaps: Bool
  /// Paths without a value that has a text, each once, in the order met.
  private(set) var missing: [String] = []
  /// Names of fields that grew over their limit.
  private(set) var tooLong: [String] = []

  init(_ variables: RenderVariables, fillsGaps: Bool) {
    self.variables = variables
    self.fillsGaps = fillsGaps
  }

  /// The empty text when something was missing.
  mutating func text(
    of template: Template, _ escaping: Escaping, limit: Int, in field: String
  ) -> String {
    let variables = variables
    let fillsGaps = fillsGaps
    let rendering = template.render(escaping: escaping, limit: limit) { path in
      guard let value = variables.value(at: path), value.hasText else {
        return fillsGaps ? .string("") : nil
      }
      return value
    }
    switch rendering {
    case .rendered(let text): return text
    case .missing(let paths): paths.forEach { note($0.description) }
    case .notText(let path): note(path.description)
    case .tooLong: tooLong.append(field)
    }
    return ""
  }

  private mutating func note(_ path: String) {
    if !missing.contains(path) { missing.append(path) }
  }
}

extension RenderVariables {
  /// Nil when absent.
  func value(at path: TemplatePath) -> JSONValue? {
    var value: JSONValue
    switch path.root {
    case .user: value = .object(user)
    case .event: value = .object(event)
    case .plan: value = .object(plan)
    case .steps: value = .object(steps)
    case .unsubscribeURL: return unsubscribeURL.map(JSONValue.string)
    case .item, .header: return nil
    }
    for name in path.names {
      guard let next = value[name] else { return nil }
      value = next
    }
    return value
  }
}

extension JSONValue {
  /// Objects, alone or in arrays, are nothing one can show.
  fileprivate var hasText: Bool {
    switch self {
    case .object, .null: false
    case .array(let elements): elements.allSatisfy { $0.objectValue == nil && $0.arrayValue == nil }
    case .bool, .number, .string: true
    }
  }
}
