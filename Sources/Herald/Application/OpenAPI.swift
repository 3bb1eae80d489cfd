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
        "description": .string(description),
        "license": ["name": "Apache-2.0", "identifier": "Apache-2.0"],
      ],
      "servers": [["url": "/"]],
      "paths": .object(paths),
      "components": [
        "schemas": .object(hoisted(components)),
        "headers": .object(headers),
        "securitySchemes": [
          "key": ["type": "http", "scheme": "bearer", "description": "An API key, hk_…"]
        ],
      ],
    ]
  }

  private static let description = """
    Marketing automation: every recipient accounted for, every decision explained, nothing sent \
    that was not approved. Every GET answers HEAD too, every path OPTIONS; unknown fields of a body \
    are refused, and so are unknown query parameters where an operation has some. A request that is no good HTTP is \
    answered with a Problem of 400, 405, 408, 413, 414, 417, 431, 501 or 505 whatever it asks for.
    """

  /// The components with the `$defs` of each made components of their own, `Condition_window`:
  /// a `#/$defs/…` reference would be looked up at the root of the document.
  static func hoisted(_ components: JSONObject) -> JSONObject {
    var all = JSONObject()
    for (name, schema) in components {
      guard var object = schema.objectValue, let definitions = object["$defs"]?.objectValue else {
        all[name] = schema
        continue
      }
      object["$defs"] = nil
      object["$schema"] = nil
      all[name] = relocated(.object(object), name)
      for (inner, definition) in definitions {
        all["\(name)_\(inner)"] = relocated(definition, name)
      }
    }
    return all
  }

  private static func relocated(_ schema: JSONValue, _ component: String) -> JSONValue {
    switch schema {
    case .array(let elements): return .array(elements.map { relocated($0, component) })
    case .object(let object):
      let prefix = "#/$defs/"
      return .object(
        JSONObject(
          object.map { key, value in
            if key == "$ref", let text = value.stringValue, text.hasPrefix(prefix) {
              return (
                key, Schema.ref("\(component)_\(text.dropFirst(prefix.count))")["$ref"] ?? .null
              )
            }
            return (key, relocated(value, component))
          }))
    default: return schema
    }
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
    "type": Schema.string, "title": Schema.string, "status": Schema.integer(400...599),
    "detail": Schema.string, "code": Schema.string, "message": Schema.string,
    "pointer?": Schema.string,
    "errors?": Schema.array(
      Schema.object(["code": Schema.string, "pointer": Schema.string, "detail": Schema.string])),
    "request_id": Schema.string,
  ])
}
