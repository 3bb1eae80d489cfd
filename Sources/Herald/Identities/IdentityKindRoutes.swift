import HTTP
import JSON

enum IdentityKindRoutes {
  static func endpoints(_ kinds: IdentityKinds) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/identity-kinds", .readers,
        Operation(
          "listIdentityKinds", "What users are addressed by, the most telling first.",
          tag: "Identities", responses: [200: Schema.page(Schema.ref("IdentityKind"))])
      ) { call in
        let all = try await kinds.list()
        return .page(
          Page(all, PageRequest(limit: .max - 1)) { [$0.kind.key] }, call.request, item: \.json)
      },
      Endpoint(
        .put, "/v1/identity-kinds/{key}", .admins,
        Operation(
          "putIdentityKind", "Declare or change a kind of identity.", tag: "Identities",
          request: request,
          responses: [200: Schema.ref("IdentityKind"), 201: Schema.ref("IdentityKind")],
          errors: [.wrongState, .preconditionFailed])
      ) { call in
        let key = try call.kindKey()
        let kind = try call.read { reader, _ in IdentityKind(key: key, reader) }
        let (stored, created) = try await kinds.put(
          kind, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(stored.json, version: stored.version, created: created)
      },
    ]
  }

  private static let rules = Schema.choice(IdentityKind.ConflictRule.allCases.map(\.rawValue))
  private static let request = Schema.object([
    "priority": Schema.integer(0...1000), "multiple?": Schema.bool, "on_conflict": rules,
  ])

  static let components: JSONObject = [
    "IdentityKind": Schema.object([
      "key": Schema.key, "priority": Schema.count, "multiple": Schema.bool, "on_conflict": rules,
      "built_in": Schema.bool, "version": Schema.count,
    ])
  ]
}

extension IdentityKind {
  fileprivate init?(key: String, _ reader: ObjectReader) {
    let priority = reader.int("priority", required: true, range: 0...1000)
    let multiple = reader.bool("multiple") ?? true
    let rule = reader.choice("on_conflict", ConflictRule.self, required: true)
    guard let priority, let rule else { return nil }
    self.init(key: key, priority: priority, multiple: multiple, onConflict: rule)
  }
}

extension StoredIdentityKind {
  var json: JSONValue {
    [
      "key": .string(kind.key), "priority": .int(kind.priority), "multiple": .bool(kind.multiple),
      "on_conflict": .string(kind.onConflict.rawValue), "built_in": .bool(isBuiltIn),
      "version": .int(version),
    ]
  }
}

extension Call {
  /// The key of a kind: a member of an object in many bodies, and before the colon of a UserRef.
  fileprivate func kindKey() throws -> String {
    let key = try self.key("key")
    guard let first = key.utf8.first, UInt8(ascii: "a")...UInt8(ascii: "z") ~= first,
      !key.utf8.contains(UInt8(ascii: "-"))
    else {
      throw HeraldError(
        .invalid, "The key of a kind begins with a letter and has a-z, 0-9 and '_' only.")
    }
    return key
  }
}
