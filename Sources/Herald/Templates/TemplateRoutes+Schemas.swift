import JSON

extension TemplateRoutes {
  static let components: JSONObject = ["Template": template, "RenderedTemplate": rendered]

  /// Channels whose messages are written as templates.
  static let channels = Channel.allCases.filter { ContentShape.of($0) != nil }

  /// Of a template's document: the body of PUT and `GET /v1/schemas/template`.
  static let schema = Schema.oneOf(
    channels.compactMap { channel in
      ContentShape.of(channel).map { shape in
        Schema.object([
          "channel": ["const": .string(channel.rawValue)], "content": shape.schema,
          "on_missing?": onMissing,
        ])
      }
    })

  private static let onMissing = Schema.choice(
    MessageTemplate.OnMissing.allCases.map(\.rawValue))

  private static let template = Schema.object([
    "key": Schema.key, "channel": Schema.choice(channels.map(\.rawValue)),
    "content": Schema.map(Schema.any), "on_missing": onMissing, "version": Schema.count,
    "created_at": Schema.instant, "updated_at": Schema.instant,
  ])

  private static let rendered = Schema.object([
    "content": Schema.map(Schema.any),
    "sms?": Schema.object([
      "parts": Schema.count, "encoding": Schema.choice(["GSM-7", "UCS-2"]),
    ]),
  ])
}

extension MessageTemplate {
  init?(key: String, _ reader: ObjectReader, _ faults: Faults) {
    let channel = reader.choice("channel", Channel.self, required: true)
    let content = reader.value("content", required: true)
    let onMissing = reader.choice("on_missing", OnMissing.self) ?? .default
    guard let channel, let content else { return nil }
    _ = PreparedTemplate(
      content, channel, onMissing, at: reader.pointer.appending("content"), faults: faults)
    self.init(key: key, channel: channel, content: content, onMissing: onMissing)
  }
}

extension StoredTemplate {
  var json: JSONValue {
    [
      "key": .string(template.key), "channel": .string(template.channel.rawValue),
      "content": template.content, "on_missing": .string(template.onMissing.rawValue),
      "version": .int(version), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt),
    ]
  }
}
