import Conditions
import JSON

extension PlanDocument {
  /// One node of a plan, in each of its forms.
  static let step = Schema.oneOf([
    of([
      ("send", Schema.object(["chain": some(link, 8)])), ("not_after?", Schema.duration),
    ]),
    of([
      (
        "webhook",
        Schema.object(["template": Schema.key, "results?": Schema.map(Schema.string)])
      ), ("else?", Schema.string),
    ]),
    of([("wait", Schema.duration)]),
    of([("wait_until", awaitedEvent), ("then?", Schema.string), ("else?", Schema.string)]),
    of([
      (
        "wait_until",
        Schema.oneOf([
          Schema.object(["at": Schema.instant]),
          Schema.object(["at": timeOfDay, "zone?": Schema.text(1...64)]),
        ])
      ), ("then?", Schema.string),
    ]),
    of([
      ("branch", some(Schema.object(["if": test, "then": Schema.string]), 20)),
      ("else?", Schema.string),
    ]),
    of([("split", some(share, 20)), ("else?", Schema.string)]),
    of([("update_user", Schema.object(["attributes": attributes]))]),
    of([("tag", tagChange)]),
    Schema.object(["id": Schema.key, "exit": Schema.object(["reason": Schema.key])]),
  ])

  private static func of(_ members: [(String, JSONValue)]) -> JSONValue {
    var properties: JSONObject = ["id": Schema.key, "next": Schema.string]
    var required: [JSONValue] = ["id"]
    for (key, schema) in members {
      let isOptional = key.hasSuffix("?")
      properties[isOptional ? String(key.dropLast()) : key] = schema
      if !isOptional { required.append(.string(key)) }
    }
    return [
      "type": "object", "properties": .object(properties), "required": .array(required),
      "additionalProperties": false,
    ]
  }

  private static func some(_ item: JSONValue, _ most: Int) -> JSONValue {
    ["type": "array", "minItems": 1, "maxItems": .int(most), "items": item]
  }

  private static let filters = Schema.array(Schema.ref("Condition_property"), max: 100)

  private static let awaitedEvent = Schema.object([
    "event": Schema.text(1...200), "where?": filters, "same?": Schema.text(1...128),
    "since?": Schema.choice(AwaitedEvent.Since.allCases.map(\.rawValue)),
    "timeout": Schema.duration,
  ])

  private static let test = Schema.object([
    "condition?": Schema.ref("Condition"), "where?": filters, "step?": Schema.key,
    "is?": Schema.choice(StepResult.Word.allCases.map(\.rawValue)),
  ])

  private static let share = Schema.object([
    "share": ["type": "number", "minimum": .double(0.0001), "maximum": 1], "then": Schema.string,
  ])

  private static let attributes: JSONValue = ["type": "object", "minProperties": 1]

  private static let tagChange: JSONValue = {
    let value = Schema.oneOf([["const": true], Schema.string, Schema.number])
    return Schema.oneOf([
      Schema.object(["add": Schema.key, "value?": value, "remove?": Schema.key]),
      Schema.object(["remove": Schema.key]),
    ])
  }()
}
