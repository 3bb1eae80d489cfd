import HTTP
import JSON

enum AttributeRoutes {
  static func endpoints(_ attributes: Attributes) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/attributes/{key}", .writers,
        Operation(
          "putAttribute",
          "Declare an attribute: its type, which all that is written from then on must have, and "
            + "what becomes of it in a merge.",
          tag: "Identities", path: ["key": Schema.text(1...128)], request: request,
          responses: [200: Schema.ref("Attribute"), 201: Schema.ref("Attribute")],
          errors: [.preconditionFailed])
      ) { call in
        let key = call.path("key")
        guard AttributeName.isValid(key) else {
          throw HeraldError(.invalid, AttributeName.expectation)
        }
        let (type, merge) = try call.read { reader, _ in
          let type = reader.choice("type", AttributeType.self)
          let merge = reader.choice("merge", AttributeRule.self) ?? .newest
          if let type, !type.allows(merge) {
            reader.add(
              .invalidChoice, "merge",
              "Two values of this type cannot be merged by \(merge.rawValue): sum is for numbers, "
                + "union for arrays.")
          }
          return (type, merge)
        }
        let (stored, created) = try await attributes.put(
          key, type: type, merge: merge, expecting: try call.expectedVersion(), by: call.caller,
          now: call.now)
        return .resource(stored.json, version: stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/attributes", .readers,
        Operation(
          "listAttributes", "The declared attributes.", tag: "Identities",
          responses: [200: Schema.page(Schema.ref("Attribute"))])
      ) { call in
        let all = try await attributes.list()
        return .page(
          Page(all, PageRequest(limit: .max - 1)) { [$0.key] }, call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/attributes/{key}", .readers,
        Operation(
          "getAttribute", "One declared attribute.", tag: "Identities",
          path: ["key": Schema.text(1...128)], responses: [200: Schema.ref("Attribute")],
          errors: [.notFound])
      ) { call in
        let stored = try await attributes.get(call.path("key"))
        return .resource(stored.json, version: stored.version)
      },
    ]
  }

  private static let rules = Schema.choice(AttributeRule.allCases.map(\.rawValue))
  private static let types = Schema.choice(AttributeType.allCases.map(\.rawValue))
  private static let request = Schema.object(["type?": types, "merge?": rules])

  static let components: JSONObject = [
    "Attribute": Schema.object([
      "key": Schema.string, "type": Schema.nullable(types), "merge": rules,
      "version": Schema.count, "created_at": Schema.instant, "updated_at": Schema.instant,
    ])
  ]
}
