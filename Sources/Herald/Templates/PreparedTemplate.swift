import JSON
import Templates

/// What became of rendering a message.
public enum RenderOutcome: Sendable, Equatable {
  case content(JSONValue)
  /// Paths of the absent values, each once, in the order met.
  case skip(missing: [String])
  case fail(missing: [String])
}

/// A template parsed once, to be rendered for many.
public struct PreparedTemplate: Sendable {
  public let channel: Channel
  public let onMissing: MessageTemplate.OnMissing
  /// Paths of the variables it may show, sorted.
  public let references: [String]
  /// Variables shown somewhere without a default, in the order met.
  let needs: [TemplatePath]
  private let fields: [Field]

  private struct Field: Sendable {
    let shape: ContentShape.Field
    let node: Node
  }

  private indirect enum Node: Sendable {
    case text(Template, Escaping)
    case object([(key: String, node: Node)])
    case array([Node])
    case constant(JSONValue)
  }

  /// Throws HeraldError 422 with every fault, of the shape and of the templates in it; pointers begin
  /// at `pointer`.
  public init(
    content: JSONValue, channel: Channel, onMissing: MessageTemplate.OnMissing,
    at pointer: JSONPointer = JSONPointer(tokens: ["content"])
  ) throws {
    let faults = Faults()
    let prepared = PreparedTemplate(
      content, channel, onMissing, at: pointer, faults: faults)
    guard let prepared, faults.isEmpty else { throw HeraldError.invalid(faults.all) }
    self = prepared
  }

  public init(_ template: MessageTemplate) throws {
    try self.init(
      content: template.content, channel: template.channel, onMissing: template.onMissing)
  }

  /// From `StoredTemplate.manifestJSON`.
  public init(manifest json: JSONValue) throws {
    guard let channel = json["channel"]?.stringValue.flatMap(Channel.init(rawValue:)),
      let content = json["content"],
      let onMissing = json["on_missing"]?.stringValue.flatMap(
        MessageTemplate.OnMissing.init(rawValue:))
    else { throw HeraldError(.unexpected, "A template of a stored manifest cannot be read.") }
    try self.init(content: content, channel: channel, onMissing: onMissing)
  }

  /// Nil, with faults, when something is wrong.
  init?(
    _ content: JSONValue, _ channel: Channel, _ onMissing: MessageTemplate.OnMissing,
    at pointer: JSONPointer, faults: Faults
  ) {
    guard let shape = ContentShape.of(channel) else {
      faults.add(
        "no_template", at: pointer,
        "Channel '\(channel.rawValue)' takes no template: a coupon step names a coupon.")
      return nil
    }
    let before = faults.count
    shape.check(content, at: pointer, faults: faults)
    var references: Set<String> = []
    var needs: [TemplatePath] = []
    var fields: [Field] = []
    for field in shape.fields {
      guard let value = content[field.name] else { continue }
      let node = Self.node(value, field.form, at: pointer.appending(field.name), faults) {
        for path in $0.references { references.insert(path.description) }
        for path in $0.needs where !needs.contains(path) { needs.append(path) }
      }
      fields.append(Field(shape: field, node: node))
    }
    guard faults.count == before else { return nil }
    self.channel = channel
    self.onMissing = onMissing
    self.fields = fields
    self.references = references.sorted()
    self.needs = needs
  }

  private static func node(
    _ value: JSONValue, _ form: ContentShape.Form, at pointer: JSONPointer, _ faults: Faults,
    refer: (Template) -> Void
  ) -> Node {
    switch value {
    case .string(let source):
      guard
        let template = Template.parse(
          source, at: pointer, singleLine: form.isSingleLine, faults: faults)
      else { return .constant(value) }
      refer(template)
      return .text(template, form.escaping(source))
    case .object(let object):
      return .object(
        object.members.map {
          ($0.key, node($0.value, form, at: pointer.appending($0.key), faults, refer: refer))
        })
    case .array(let elements):
      return .array(
        elements.enumerated().map {
          node($1, form, at: pointer.appending($0), faults, refer: refer)
        })
    case .null, .bool, .number: return .constant(value)
    }
  }

  /// The same variables give the same content, byte by byte.
  public func render(_ variables: RenderVariables) -> RenderOutcome {
    var message = MessageRendering(variables, fillsGaps: onMissing == .default)
    var content = JSONObject()
    for field in fields {
      let value = value(of: field.node, field.shape, &message)
      if !field.shape.isRequired, value.stringValue?.isEmpty ?? false { continue }
      content[field.shape.name] = value
    }
    if !message.tooLong.isEmpty {
      return .fail(missing: message.tooLong.map { "\($0) (too long)" })
    }
    if message.missing.isEmpty { return .content(.object(content)) }
    return onMissing == .skip ? .skip(missing: message.missing) : .fail(missing: message.missing)
  }

  private func value(
    of node: Node, _ field: ContentShape.Field, _ message: inout MessageRendering
  ) -> JSONValue {
    switch node {
    case .constant(let value): return value
    case .text(let template, let escaping):
      let text = message.text(of: template, escaping, limit: field.renderedLimit, in: field.name)
      return .string(channel == .sms ? SMSLength.normalised(text) : text)
    case .object(let members):
      var object = JSONObject()
      for (key, node) in members { object[key] = value(of: node, field, &message) }
      return .object(object)
    case .array(let nodes): return .array(nodes.map { value(of: $0, field, &message) })
    }
  }
}

extension ContentShape.Form {
  fileprivate var isSingleLine: Bool { self == .line || self == .url }

  /// A value inside a URL is escaped; one that is the URL, or begins it, is not.
  fileprivate func escaping(_ source: String) -> Escaping {
    switch self {
    case .html: .html
    case .url: source.hasPrefix("{{") ? .plain : .url
    case .line, .text, .texts, .document: .plain
    }
  }
}
