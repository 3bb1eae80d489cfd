import HTTP
import JSON
import Templates

enum TemplateRoutes {
  static func endpoints(_ templates: Templates) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/templates/{key}", .writers,
        Operation(
          "putTemplate", "Write or change a template. Approved plans keep the version they have.",
          tag: "Templates", request: schema,
          responses: [200: Schema.ref("Template"), 201: Schema.ref("Template")],
          errors: [.preconditionFailed])
      ) { call in
        let key = try call.key("key")
        let template = try call.read { reader, faults in
          MessageTemplate(key: key, reader, faults)
        }
        let (stored, created) = try await templates.put(
          template, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(stored.json, version: stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/templates", .readers,
        Operation(
          "listTemplates", "All templates.", tag: "Templates",
          query: Operation.paging + [
            .init("channel", Schema.choice(channels.map(\.rawValue)), "Only these.")
          ], responses: [200: Schema.page(Schema.ref("Template"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let channel = try call.request.choice("channel", channels.map(\.rawValue))
        return .page(try await templates.list(page, channel: channel), call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/templates/{key}", .readers,
        Operation(
          "getTemplate", "One template.", tag: "Templates",
          responses: [200: Schema.ref("Template")], errors: [.notFound])
      ) { call in
        let stored = try await templates.get(call.path("key"))
        return .resource(stored.json, version: stored.version)
      },
      Endpoint(
        .delete, "/v1/templates/{key}", .writers,
        Operation(
          "deleteTemplate", "Archive a template.", tag: "Templates", responses: [204: nil],
          errors: [.notFound])
      ) { call in
        try await templates.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
      render(templates),
    ]
  }

  /// Shows personal fields as they are, hence not for analysts.
  private static func render(_ templates: Templates) -> Endpoint {
    Endpoint(
      .post, "/v1/templates/{key}/render", .roles([.admin, .operator, .approver]),
      Operation(
        "renderTemplate", "A template as it would read for a user.", tag: "Templates",
        request: Schema.object(["user": Schema.text(1...320), "event?": Schema.map(Schema.any)]),
        responses: [200: Schema.ref("RenderedTemplate")], errors: [.notFound, .missingValue])
    ) { call in
      let (user, event) = try call.read { reader, _ -> (UserRef, JSONObject)? in
        let user = reader.userRef("user", required: true)
        let event = reader.value("event")
        if let event, event.objectValue == nil {
          reader.add(.typeMismatch, "event", "An object is expected here, not \(event.article).")
        }
        return user.map { ($0, event?.objectValue ?? [:]) }
      }
      let (channel, outcome) = try await templates.render(
        call.path("key"), for: user, event: event, by: call.caller, now: call.now)
      return .json(200, try outcome.answer(channel))
    }
  }
}

extension ErrorCode {
  /// A template that must not be sent without a value lacks it.
  public static let missingValue = ErrorCode("missing_value", 422)
}

extension RenderOutcome {
  fileprivate func answer(_ channel: Channel) throws -> JSONValue {
    switch self {
    case .content(let content):
      guard channel == .sms else { return ["content": content] }
      return ["content": content, "sms": Self.length(content)]
    case .skip(let missing), .fail(let missing):
      let names = missing.map { "'\($0)'" }.joined(separator: ", ")
      throw HeraldError(
        .missingValue,
        "This user has no \(names), without which the template is not sent; give a default in the "
          + "template or set on_missing to 'default'.")
    }
  }
  private static func length(_ content: JSONValue) -> JSONValue {
    let length = SMSLength(message: content)
    return ["parts": .int(length.parts), "encoding": .string(length.encoding.rawValue)]
  }
}

extension SMSLength {
  /// Of a whole message: the signature goes before the text, in 【】.
  init(message content: JSONValue) {
    let signature = content["signature"]?.stringValue.map { "【\($0)】" } ?? ""
    self.init(signature + (content["text"]?.stringValue ?? ""))
  }
}
