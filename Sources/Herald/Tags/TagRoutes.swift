import Conditions
import HTTP
import JSON

enum TagRoutes {
  static func endpoints(_ tags: Tags) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/tags/{key}", .writers,
        Operation(
          "putTag", "Declare or change a tag.", tag: "Tags", request: request,
          responses: [200: Schema.ref("Tag"), 201: Schema.ref("Tag")],
          errors: [.preconditionFailed])
      ) { call in
        let key = try call.key("key")
        let tag = try call.read { reader, faults in Tag(key: key, reader, faults) }
        let (stored, created) = try await tags.put(
          tag, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(stored.json, version: stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/tags", .readers,
        Operation(
          "listTags", "The tag catalogue.", tag: "Tags",
          query: Operation.paging + [
            .init("category", Schema.choice(Tag.Category.allCases.map(\.rawValue)), "Only these.")
          ], responses: [200: Schema.page(Schema.ref("Tag"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let category = try call.request.choice(
          "category", Tag.Category.allCases.map(\.rawValue))
        return .page(try await tags.list(page, category: category), call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/tags/{key}", .readers,
        Operation(
          "getTag", "One tag.", tag: "Tags", responses: [200: Schema.ref("Tag")],
          errors: [.notFound])
      ) { call in
        let stored = try await tags.get(call.path("key"))
        return .resource(stored.json, version: stored.version)
      },
      Endpoint(
        .delete, "/v1/tags/{key}", .writers,
        Operation(
          "deleteTag", "Delete a tag; it is archived when users have it.", tag: "Tags",
          responses: [204: nil], errors: [.notFound])
      ) { call in
        try await tags.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  static let request = Schema.object([
    "name": Schema.text(1...200), "category": Schema.choice(Tag.Category.allCases.map(\.rawValue)),
    "type?": Schema.choice(Tag.Kind.allCases.map(\.rawValue)),
    "choices?": Schema.array(Schema.text(1...200), max: 200),
    "rule?": Schema.ref("Condition"), "ttl?": Schema.duration,
  ])

  static let components: JSONObject = ["Tag": tag]

  private static let tag = Schema.object([
    "key": Schema.key, "name": Schema.string,
    "category": Schema.choice(Tag.Category.allCases.map(\.rawValue)),
    "type": Schema.choice(Tag.Kind.allCases.map(\.rawValue)),
    "choices": Schema.nullable(Schema.array(Schema.string)),
    "rule": Schema.nullable(Schema.ref("Condition")),
    "ttl": Schema.nullable(Schema.duration), "version": Schema.count,
    "created_at": Schema.instant, "updated_at": Schema.instant,
  ])
}

extension Tag {
  init?(key: String, _ reader: ObjectReader, _ faults: Faults) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 200)
    let category = reader.choice("category", Category.self, required: true)
    let type = reader.choice("type", Kind.self) ?? .flag
    let choices = reader.strings("choices", count: 1...200, minLength: 1, maxLength: 200)
    if type == .choice, !reader.has("choices") {
      reader.add(.required, "choices", "A tag of type 'choice' lists its choices.")
    } else if type != .choice, reader.has("choices") {
      reader.add(.unknownField, "choices", "Only a tag of type 'choice' has choices.")
    }
    let rule = reader.value("rule").flatMap {
      Condition.parse($0, at: reader.pointer.appending("rule"), faults: faults)
    }
    if rule != nil, type != .flag {
      reader.add("invalid", "rule", "Only a tag of type 'flag' is set by a rule.")
    }
    let ttl = reader.duration("ttl")
    guard let name, let category else { return nil }
    self.init(
      key: key, name: name, category: category, type: type, choices: choices, rule: rule?.json,
      ttl: ttl)
  }
}

extension StoredTag {
  var json: JSONValue {
    [
      "key": .string(tag.key), "name": .string(tag.name),
      "category": .string(tag.category.rawValue), "type": .string(tag.type.rawValue),
      "choices": tag.choices.map { .array($0.map(JSONValue.string)) } ?? .null,
      "rule": tag.rule ?? .null, "ttl": .optional(tag.ttl?.description),
      "version": .int(version), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt),
    ]
  }

  var auditJSON: JSONValue { json }
}
