import JSON

/// What the content of a channel's message is made of. The same shape holds for a template's content,
/// whose texts are then templates, and for what is rendered from it.
struct ContentShape: Sendable {
  enum Form: Sendable, Equatable {
    /// One line: line breaks become spaces.
    case line
    case text
    case url
    /// Values put into it are escaped.
    case html
    /// An object with free keys, each a text.
    case texts
    /// An object of any JSON; every string in it is a text.
    case document
  }

  struct Field: Sendable {
    let name: String
    let form: Form
    let isRequired: Bool
    /// Unicode scalars of the text as given.
    let maxLength: Int

    /// Bytes of the text once its values are in.
    var renderedLimit: Int { max(65_536, maxLength * 4) }

    init(_ name: String, _ form: Form, required: Bool = false, max: Int = 2000) {
      self.name = name
      self.form = form
      isRequired = required
      maxLength = max
    }
  }

  let fields: [Field]
  /// Of these at least one is there.
  var eitherOf: [String] = []

  /// Nil for coupons: a coupon step names a coupon, not a template.
  static func of(_ channel: Channel) -> ContentShape? {
    switch channel {
    case .push: push
    case .sms: sms
    case .email: email
    case .wechat: wechat
    case .inApp: inApp
    case .webhook: webhook
    case .serviceMessage: serviceMessage
    case .coupon: nil
    }
  }

  private static let push = ContentShape(fields: [
    Field("title", .line, required: true, max: 500),
    Field("body", .text, required: true, max: 4000),
    Field("url", .url), Field("image", .url),
  ])
  private static let sms = ContentShape(fields: [
    Field("text", .text, required: true, max: 4000), Field("signature", .line, max: 100),
  ])
  private static let email = ContentShape(
    fields: [
      Field("subject", .line, required: true, max: 1000), Field("text", .text, max: 200_000),
      Field("html", .html, max: 500_000),
    ], eitherOf: ["text", "html"])
  /// A template message of an official account: the provider's template, filled field by field.
  private static let wechat = ContentShape(fields: [
    Field("template_id", .line, required: true, max: 128),
    Field("data", .texts, required: true), Field("url", .url),
  ])
  private static let inApp = ContentShape(fields: [
    Field("title", .line, required: true, max: 500),
    Field("body", .text, required: true, max: 4000),
    Field("url", .url), Field("image", .url), Field("button", .line, max: 100),
  ])
  private static let webhook = ContentShape(fields: [
    Field("type", .line, max: 200), Field("data", .document, required: true, max: 20_000),
  ])
  private static let serviceMessage = ContentShape(fields: [
    Field("text", .text, required: true, max: 4000), Field("url", .url), Field("image", .url),
  ])
}

extension ContentShape {
  /// Notes everything that does not fit.
  func check(_ content: JSONValue, at pointer: JSONPointer, faults: Faults) {
    guard let reader = ObjectReader(content, at: pointer, faults: faults) else { return }
    for field in fields { check(field, reader) }
    if !eitherOf.isEmpty, !eitherOf.contains(where: reader.has) {
      let names = eitherOf.map { "'\($0)'" }.joined(separator: " or ")
      faults.add(.required, at: pointer, "Give \(names).")
    }
    reader.finish()
  }

  private func check(_ field: Field, _ reader: ObjectReader) {
    switch field.form {
    case .line, .text, .url, .html:
      _ = reader.string(
        field.name, required: field.isRequired, minLength: 1, maxLength: field.maxLength)
    case .texts:
      guard let texts = reader.object(field.name, required: field.isRequired) else { return }
      for key in texts.object.keys {
        _ = texts.string(key, minLength: 1, maxLength: field.maxLength)
      }
    case .document:
      guard let document = reader.object(field.name, required: field.isRequired) else { return }
      let size = JSONValue.object(document.object).bytes.count
      if size > field.maxLength {
        reader.add(
          .tooLong, field.name, "At most \(field.maxLength) bytes are allowed; there are \(size).")
      }
    }
  }

  /// JSON Schema of the content.
  var schema: JSONValue {
    var properties = JSONObject()
    var required: [JSONValue] = []
    for field in fields {
      properties[field.name] = Self.schema(field)
      if field.isRequired { required.append(.string(field.name)) }
    }
    var schema: JSONObject = [
      "type": "object", "properties": .object(properties), "required": .array(required),
      "additionalProperties": false,
    ]
    if !eitherOf.isEmpty {
      schema["anyOf"] = .array(eitherOf.map { ["required": [.string($0)]] })
    }
    return .object(schema)
  }

  private static func schema(_ field: Field) -> JSONValue {
    switch field.form {
    case .line, .text, .url, .html: Schema.text(1...field.maxLength)
    case .texts: Schema.map(Schema.text(1...field.maxLength))
    case .document: Schema.map(Schema.any)
    }
  }
}
