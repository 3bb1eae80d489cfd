import Conditions
import Foundation
import HTTP
import JSON
import Postgres

/// Health, readiness, and the documents the API describes itself with.
enum SystemRoutes {
  static func endpoints(_ db: Database, _ document: OpenAPI.Published) -> [Endpoint] {
    [
      Endpoint(
        .get, "/healthz", .open,
        Operation(
          "health", "The process is alive.", tag: "System", responses: [200: status])
      ) { _ in .json(200, ["status": "pass"]) },
      Endpoint(
        .get, "/readyz", .open,
        Operation(
          "readiness", "The database answers and has this version's schema.", tag: "System",
          responses: [200: status])
      ) { _ in
        guard case .current = try await HeraldSchema.status(db.pool) else {
          throw HeraldError(
            .unavailable, "The schema is not this version's; run `herald migrate`.", retryAfter: 5)
        }
        return .json(200, ["status": "pass"])
      },
      Endpoint(
        .get, "/openapi.json", .open,
        Operation(
          "openapi", "This document.", tag: "System", responses: [200: ["type": "object"]])
      ) { _ in .json(200, bytes: document.bytes) },
      Endpoint(
        .get, "/v1/schemas/{name}", .open,
        Operation(
          "getSchema", "JSON Schema of a plan, a condition or a template.", tag: "System",
          path: ["name": Schema.choice(schemas.keys.sorted())],
          responses: [200: ["type": "object"]], errors: [.notFound])
      ) { call in
        guard let schema = schemas[call.path("name")] else {
          throw HeraldError.notFound("schema", call.path("name"))
        }
        return .json(200, schema)
      },
    ]
  }

  private static let status = Schema.object(["status": Schema.string])

  private static let schemas: [String: JSONValue] = [
    "plan": standalone(PlanDocument.schema, ["Condition": Condition.schema]),
    "condition": standalone(Condition.schema, [:]),
    "template": standalone(TemplateRoutes.schema, [:]),
  ]

  /// With what it refers to beside it.
  private static func standalone(_ schema: JSONValue, _ components: JSONObject) -> JSONValue {
    guard var object = schema.objectValue else { return schema }
    object["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    if !components.isEmpty {
      object["components"] = ["schemas": .object(OpenAPI.hoisted(components))]
    }
    return .object(object)
  }
}
