import HTTP
import JSON

extension OpenAPI {
  static func operation(_ endpoint: Endpoint) -> JSONValue {
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
      object["requestBody"] = [
        "required": .bool(operation.requestRequired), "content": .object(content),
      ]
    }
    return .object(object)
  }

  private static func parameters(_ endpoint: Endpoint) -> [JSONValue] {
    let path = endpoint.pattern.split(separator: "/").filter { $0.hasPrefix("{") }.map {
      segment -> JSONValue in
      let name = String(segment.dropFirst().dropLast())
      return [
        "name": .string(name), "in": "path", "required": true,
        "schema": endpoint.operation.path[name] ?? pathSchemas[name] ?? Schema.text(1...256),
      ]
    }
    let query = endpoint.operation.query.map { parameter -> JSONValue in
      [
        "name": .string(parameter.name), "in": "query", "required": .bool(parameter.required),
        "schema": parameter.schema, "description": .string(parameter.description),
      ]
    }
    var header: [JSONValue] = []
    if endpoint.operation.errors.contains(.preconditionFailed) {
      header.append([
        "name": "If-Match", "in": "header", "required": false,
        "schema": Schema.string,
        "description": "The ETag the resource must still have, as a GET gave it.",
      ])
    }
    if endpoint.takesIdempotencyKey {
      header.append([
        "name": "Idempotency-Key", "in": "header", "required": false,
        "schema": ["type": "string", "pattern": "^[!#-~][!-~]{0,254}$|^\"[!#-~][!-~]{0,253}$"],
        "description":
          "Makes the request safe to send again for 24 hours; quotes around it are no part of it.",
      ])
    }
    return path + query + header
  }

  /// What the names of path parameters stand for everywhere.
  private static let pathSchemas: [String: JSONValue] = [
    "key": Schema.key, "sender": Schema.key, "source": Schema.key, "id": Schema.uuid,
    "u": Schema.text(1...320), "version": Schema.integer(1...1_000_000_000),
  ]

  static let headers: JSONObject = [
    "X-Request-Id": [
      "description": "Names the request in the log; the client's own when it sent a good one.",
      "schema": Schema.string,
    ],
    "ETag": [
      "description": "The version, for If-Match.",
      "schema": ["type": "string", "pattern": "^\"v[0-9]+\"$"],
    ],
    "Link": ["description": "The next page, rel=\"next\".", "schema": Schema.string],
    "Retry-After": ["description": "Seconds to wait.", "schema": Schema.count],
    "WWW-Authenticate": ["description": "Bearer.", "schema": Schema.string],
  ]

  private static func headerRefs(_ names: [String]) -> JSONValue {
    .object(
      JSONObject(
        names.map { ($0, ["$ref": .string("#/components/headers/\($0)")]) }))
  }

  private static func responses(_ endpoint: Endpoint) -> JSONObject {
    var responses = JSONObject()
    for (status, schema) in endpoint.operation.responses.sorted(by: { $0.key < $1.key }) {
      var names = ["X-Request-Id"]
      if endpoint.operation.query.contains(where: { $0.name == "after" }) { names.append("Link") }
      if endpoint.operation.errors.contains(.preconditionFailed) { names.append("ETag") }
      var response: JSONObject = [
        "description": .string(status < 300 ? "Done." : "See the body."),
        "headers": headerRefs(names),
      ]
      if let schema {
        var content: JSONObject = [endpoint.operation.responseType: ["schema": schema]]
        for type in endpoint.operation.otherTypes { content[type] = ["schema": Schema.string] }
        response["content"] = .object(content)
      }
      responses[String(status)] = .object(response)
    }
    var codes: [Int: Set<String>] = [:]
    for code in generalErrors(endpoint) + endpoint.operation.errors {
      codes[code.status, default: []].insert(code.name)
    }
    for (status, names) in codes.sorted(by: { $0.key < $1.key }) {
      let list = names.sorted().joined(separator: ", ")
      var headers = ["X-Request-Id"]
      if status == 401 { headers.append("WWW-Authenticate") }
      if status == 429 || status == 503 { headers.append("Retry-After") }
      responses[String(status)] = [
        "description": .string("Problem: \(list)."), "headers": headerRefs(headers),
        "content": ["application/problem+json": ["schema": Schema.ref("Problem")]],
      ]
    }
    return responses
  }

  /// What an endpoint can answer beside what it declares, each only where it can happen.
  static func generalErrors(_ endpoint: Endpoint) -> [ErrorCode] {
    var codes: [ErrorCode] = [.unavailable]
    if case .roles(let roles) = endpoint.access {
      codes += [.unauthorized, .throttled]
      if roles.count < Role.allCases.count { codes.append(.forbidden) }
    }
    if !endpoint.operation.query.isEmpty { codes.append(.badQuery) }
    if endpoint.operation.request != nil {
      codes += [.malformedJSON, .tooLarge, .unsupportedMediaType, .invalid]
    }
    if endpoint.takesIdempotencyKey {
      codes += [.badQuery, .idempotencyRunning, .idempotencyReused]
    }
    return codes
  }
}
