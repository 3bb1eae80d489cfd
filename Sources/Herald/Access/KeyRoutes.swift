import Conditions
import Foundation
import HTTP
import JSON

enum KeyRoutes {
  static func endpoints(_ keys: Keys) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/keys", .admins,
        Operation(
          "createKey", "Mint an API key. The secret is shown this once.", tag: "Administration",
          request: Schema.object([
            "name": Schema.text(1...200), "role": Schema.choice(Role.allCases.map(\.rawValue)),
            "principal": Schema.text(1...200), "expires_at?": Schema.instant,
            "user_scope?": Schema.ref("Condition"),
          ]),
          responses: [201: Schema.ref("NewKey")])
      ) { call in
        let new = try call.read(NewKey.init)
        let (key, secret) = try await keys.create(new, by: call.caller, now: call.now)
        var json = key.json
        json["key"] = .string(secret)
        return .json(201, .object(json))
      },
      Endpoint(
        .get, "/v1/keys", .admins,
        Operation(
          "listKeys", "All keys, without their secrets.", tag: "Administration",
          query: Operation.paging, responses: [200: Schema.page(Schema.ref("Key"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        return .page(try await keys.list(page), call.request) { .object($0.json) }
      },
      Endpoint(
        .delete, "/v1/keys/{id}", .admins,
        Operation(
          "revokeKey", "Revoke a key; it ends within 5 seconds everywhere.",
          tag: "Administration", responses: [204: nil], errors: [.notFound])
      ) { call in
        guard let id = UUID(uuidString: call.path("id")) else {
          throw HeraldError.notFound("key", call.path("id"))
        }
        try await keys.revoke(id, by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  static let components: JSONObject = ["Key": key, "NewKey": newKey]

  private static let key = Schema.object(keyMembers)
  private static let newKey = Schema.object([
    "id": Schema.uuid, "prefix": Schema.string, "name": Schema.string, "role": Schema.string,
    "principal": Schema.string, "user_scope": Schema.nullable(Schema.ref("Condition")),
    "created_by": Schema.nullable(Schema.string), "created_at": Schema.instant,
    "expires_at": Schema.nullable(Schema.instant), "revoked_at": Schema.nullable(Schema.instant),
    "key": ["type": "string", "pattern": "^hk_"],
  ])
  private static var keyMembers: KeyValuePairs<String, JSONValue> {
    [
      "id": Schema.uuid, "prefix": Schema.string, "name": Schema.string, "role": Schema.string,
      "principal": Schema.string, "user_scope": Schema.nullable(Schema.ref("Condition")),
      "created_by": Schema.nullable(Schema.string), "created_at": Schema.instant,
      "expires_at": Schema.nullable(Schema.instant),
      "revoked_at": Schema.nullable(Schema.instant),
    ]
  }
}

extension NewKey {
  init?(_ reader: ObjectReader, _ faults: Faults) {
    let name = reader.string("name", required: true, minLength: 1, maxLength: 200)
    let role = reader.choice("role", Role.self, required: true)
    let principal = reader.string("principal", required: true, minLength: 1, maxLength: 200)
    let expiresAt = reader.instant("expires_at")
    let scope = reader.value("user_scope").flatMap {
      Condition.parse($0, at: reader.pointer.appending("user_scope"), faults: faults)
    }
    guard let name, let role, let principal else { return nil }
    self.init(
      name: name, role: role, principal: principal, expiresAt: expiresAt, userScope: scope)
  }
}

extension APIKey {
  var json: JSONObject {
    [
      "id": .id(id), "prefix": .string(prefix), "name": .string(name),
      "role": .string(role.rawValue), "principal": .string(principal),
      "user_scope": userScope ?? .null, "created_by": .optional(createdByPrincipal),
      "created_at": .instant(createdAt), "expires_at": .instant(expiresAt),
      "revoked_at": .instant(revokedAt),
    ]
  }

  var auditJSON: JSONValue { .object(json) }
}
