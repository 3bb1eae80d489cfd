import HTTP
import JSON
import Synchronization

/// The OpenAPI 3.1 document, made from the endpoints themselves.
public enum OpenAPI {
  public static func document(
    _ endpoints: [Endpoint], components: JSONObject, version: String
  ) -> JSONValue {
    var paths = JSONObject()
    for endpoint in endpoints {
      var item = paths[endpoint.pattern]?.objectValue ?? JSONObject()
      item[endpoint.method.rawValue.lowercased()] = operation(endpoint)
      paths[endpoint.pattern] = .object(item)
    }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Herald",
        "version": .string(version),
        "description":
          "Marketing automation: every recipient accounted for, every decision explained, nothing sent that was not approved.",
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
      ],
      "servers": [["url": "/"]],
      "paths": .object(paths),
      "components": [
        "schemas": .object(components),
        "securitySchemes": [
          "key": ["type": "http", "scheme": "bearer", "description": "An API key, hk_…"]
        ],
      ],
    ]
  }

  private static func operation(_ endpoint: Endpoint) -> JSONValue {
    let operation = endpoint.operation
    var object: JSONObject = [
      "operationId": .string(operation.id), "summary": .string(operation.summary),
      "tags": [.string(operation.tag)], "parameters": .array(parameters(endpoint)),
      "responses": .object(responses(endpoint)),
    ]
    if case .roles(let roles) = endpoint.access {
      object["security"] = [["key": []]]
      object["x-roles"] = .array(roles.map(\.rawValue).sorted().map(JSONValue.string))
    } else {
      object["security"] = []
    }
    if let request = operation.request {
      var content = JSONObject()
      for type in operation.requestTypes { content[type] = ["schema": request] }
      object["requestBody"] = ["required": true, "content": .object(content)]
    }
    return .object(object)
  }

  private static func parameters(_ endpoint: Endpoint) -> [JSONValue] {
    let path = endpoint.pattern.split(separator: "/").filter { $0.hasPrefix("{") }.map {
      segment -> JSONValue in
      let name = String(segment.dropFirst().dropLast())
      return [
        "name": .string(name), "in": "path", "required": true, "schema": Schema.text(1...256),
      ]
    }
    let query = endpoint.operation.query.map { parameter -> JSONValue in
      [
        "name": .string(parameter.name), "in": "query", "required": false,
        "schema": parameter.schema, "description": .string(parameter.description),
      ]
    }
    return path + query
  }

  private static func responses(_ endpoint: Endpoint) -> JSONObject {
    var responses = JSONObject()
    for (status, schema) in endpoint.operation.responses.sorted(by: { $0.key < $1.key }) {
      var response: JSONObject = ["description": .string(status < 300 ? "Done." : "See the body.")]
      if let schema {
        response["content"] = .object([endpoint.operation.responseType: ["schema": schema]])
      }
      responses[String(status)] = .object(response)
    }
    var codes: [Int: Set<String>] = [:]
    for code in generalErrors(endpoint) + endpoint.operation.errors {
      codes[code.status, default: []].insert(code.name)
    }
    for (status, names) in codes.sorted(by: { $0.key < $1.key }) {
      let list = names.sorted().joined(separator: ", ")
      responses[String(status)] = [
        "description": .string("Problem: \(list)."),
        "content": ["application/problem+json": ["schema": Schema.ref("Problem")]],
      ]
    }
    return responses
  }

  private static func generalErrors(_ endpoint: Endpoint) -> [ErrorCode] {
    var codes: [ErrorCode] = [.badQuery, .unavailable]
    if case .roles(let roles) = endpoint.access {
      codes += [.unauthorized, .throttled]
      if roles.count < Role.allCases.count { codes.append(.forbidden) }
    }
    if endpoint.operation.request != nil {
      codes += [.malformedJSON, .tooLarge, .unsupportedMediaType, .invalid]
    }
    if endpoint.method == .post { codes += [.idempotencyRunning, .idempotencyReused] }
    return codes
  }

  /// The document as it is served: made once all endpoints are known, the one that serves it among
  /// them.
  final class Published: Sendable {
    private let text = Mutex<[UInt8]>([])

    var bytes: [UInt8] { text.withLock { $0 } }

    func publish(_ endpoints: [Endpoint], components: JSONObject) {
      let document = document(endpoints, components: components, version: Application.version)
      text.withLock { $0 = document.bytes }
    }
  }

  /// RFC 9457 with Herald's extensions.
  public static let problem = Schema.object([
    "type": Schema.string, "title": Schema.string, "status": ["type": "integer"],
    "detail": Schema.string, "code": Schema.string, "message": Schema.string,
    "pointer?": Schema.string,
    "errors?": Schema.array(
      Schema.object(["code": Schema.string, "pointer": Schema.string, "detail": Schema.string])),
    "request_id": Schema.string,
  ])
}
