import JSON

/// JSON Schema 2020-12 in few words. Objects are closed: what is not named is refused.
public enum Schema {
  /// A closed object. Keys that end in `?` are optional.
  public static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
    var properties = JSONObject()
    var required: [JSONValue] = []
    for (key, schema) in members {
      if key.hasSuffix("?") {
        properties[String(key.dropLast())] = schema
      } else {
        properties[key] = schema
        required.append(.string(key))
      }
    }
    var object: JSONObject = [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
    ]
    if !required.isEmpty { object["required"] = .array(required) }
    return .object(object)
  }

  /// An object with free keys, each value of one schema.
  public static func map(_ values: JSONValue) -> JSONValue {
    ["type": "object", "additionalProperties": values]
  }

  public static func array(_ items: JSONValue, max: Int? = nil) -> JSONValue {
    var schema: JSONObject = ["type": "array", "items": items]
    if let max { schema["maxItems"] = .int(max) }
    return .object(schema)
  }

  public static func oneOf(_ schemas: [JSONValue]) -> JSONValue { ["anyOf": .array(schemas)] }
  /// An item of a batch: one that is no good is answered by its place and spoils nothing, so
  /// anything is taken.
  public static func item(_ schema: JSONValue) -> JSONValue {
    oneOf([schema, ["description": "Refused by itself; the other items are carried out."]])
  }
  public static func choice(_ values: [String]) -> JSONValue {
    ["type": "string", "enum": .array(values.map(JSONValue.string))]
  }
  /// One of these or several, comma-separated, each of `a-z` and `_`.
  public static func list(of values: [String]) -> JSONValue {
    let one = "(\(values.joined(separator: "|")))"
    return ["type": "string", "pattern": .string("^\(one)(,\(one))*$")]
  }
  public static func ref(_ component: String) -> JSONValue {
    ["$ref": .string("#/components/schemas/\(component)")]
  }
  /// The same schema, or null.
  public static func nullable(_ schema: JSONValue) -> JSONValue {
    ["anyOf": [schema, ["type": "null"]]]
  }
  public static func integer(_ range: ClosedRange<Int>) -> JSONValue {
    [
      "type": "integer", "minimum": .int(range.lowerBound), "maximum": .int(range.upperBound),
    ]
  }
  public static func text(_ length: ClosedRange<Int>) -> JSONValue {
    [
      "type": "string", "minLength": .int(length.lowerBound), "maxLength": .int(length.upperBound),
    ]
  }

  public static let any: JSONValue = .object(JSONObject())
  public static let string: JSONValue = ["type": "string"]
  public static let bool: JSONValue = ["type": "boolean"]
  public static let number: JSONValue = ["type": "number"]
  public static let count: JSONValue = ["type": "integer", "minimum": 0]
  public static let uuid: JSONValue = ["type": "string", "format": "uuid"]
  public static let date: JSONValue = ["type": "string", "format": "date"]
  public static let instant: JSONValue = ["type": "string", "format": "date-time"]
  public static let key: JSONValue = ["type": "string", "pattern": "^[a-z0-9_-]{1,64}$"]
  public static let duration: JSONValue = [
    "type": "string", "pattern": "^[1-9][0-9]{0,8}[smhdw]$",
  ]
  public static let hash: JSONValue = ["type": "string", "pattern": "^sha256:[0-9a-f]{64}$"]
  /// `{"code": count}`, as in accounting.
  public static let counts = map(count)
  /// {"data": […], "next": cursor | null}
  public static func page(_ item: JSONValue) -> JSONValue {
    object(["data": array(item), "next": nullable(string)])
  }
}
