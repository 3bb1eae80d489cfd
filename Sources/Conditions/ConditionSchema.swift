import JSON

extension Condition {
  /// The language as a closed JSON Schema (2020-12). What a schema cannot say (depth, the number of
  /// parts, the order of `between`, whether a zone exists) is checked by parsing alone.
  public static let schema: JSONValue = {
    var definitions = ConditionSchema.shared
    definitions["condition"] = ["oneOf": .array(ConditionSchema.nodes)]
    return [
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "Segment condition",
      "description": "A question about one user; see the operators at each node.",
      "$ref": "#/$defs/condition",
      "$defs": .object(definitions),
    ]
  }()
}

private enum ConditionSchema {
  static func ref(_ name: String) -> JSONValue { ["$ref": .string("#/$defs/\(name)")] }

  static func closed(
    _ properties: JSONObject, required: [String], atLeast: Int = 0
  ) -> JSONValue {
    var schema: JSONObject = [
      "type": "object", "properties": .object(properties),
      "required": .array(required.map(JSONValue.string)), "additionalProperties": false,
    ]
    if atLeast > 0 { schema["minProperties"] = .int(atLeast) }
    return .object(schema)
  }

  static func list(_ items: JSONValue, _ count: ClosedRange<Int>) -> JSONValue {
    [
      "type": "array", "items": items, "minItems": .int(count.lowerBound),
      "maxItems": .int(count.upperBound),
    ]
  }

  static func text(_ maximum: Int) -> JSONValue {
    ["type": "string", "minLength": 1, "maxLength": .int(maximum)]
  }

  static func operators(_ names: [Comparison.Operator]) -> JSONObject {
    JSONObject(names.map { ($0.rawValue, ref($0.schema)) })
  }

  static let numbers: JSONObject = {
    var members = JSONObject()
    for name in Comparison.Operator.numeric {
      members[name.rawValue] =
        name == .between ? list(["type": "number"], 2...2) : ["type": "number"]
    }
    return members
  }()

  static let key: JSONValue = ["type": "string", "pattern": .optional(TextPattern.key.expression)]
  static let channel: JSONValue = [
    "type": "string", "enum": .array(Condition.channels.map(JSONValue.string)),
  ]
  static let filters = list(ref("property"), 0...100)
  static let parts = list(ref("condition"), 0...Condition.maximumNodes)

  static let nodes: [JSONValue] = {
    let any = Comparison.Operator.allCases
    let event: JSONObject = [
      "event": text(200), "within": ref("window"), "where": filters,
    ]
    return [
      closed(["all": parts], required: ["all"]),
      closed(["any": list(ref("condition"), 1...Condition.maximumNodes)], required: ["any"]),
      closed(["not": ref("condition")], required: ["not"]),
      closed(
        ["attribute": text(128)] + operators(any), required: ["attribute"], atLeast: 2),
      closed(["tag": key] + operators(any), required: ["tag"]),
      closed(
        event + ["count": closed(numbers, required: [], atLeast: 1)], required: ["event"]),
      .object(
        (closed(event + ["sum": text(128)] + numbers, required: ["event", "sum"]).objectValue ?? [:])
          + [
            "anyOf": .array(
              Comparison.Operator.numeric.map { ["required": [.string($0.rawValue)]] })
          ]),
      closed(
        [
          "sequence": [
            "type": "array", "prefixItems": [ref("first_step")], "items": ref("step"),
            "minItems": .int(SequenceCondition.stepCount.lowerBound),
            "maxItems": .int(SequenceCondition.stepCount.upperBound),
          ],
          "absent": ["const": "last"],
        ], required: ["sequence"]),
      closed(
        [
          "consent": channel,
          "is": ["enum": .array(ConsentCondition.Answer.allCases.map { .string($0.rawValue) })],
        ], required: ["consent"]),
      closed(["reachable": channel], required: ["reachable"]),
      closed(["segment": key], required: ["segment"]),
      closed(["received": key, "within": ref("window")], required: ["received"]),
      closed(
        [
          "bucket": list(["type": "integer", "minimum": 0, "maximum": 9999], 2...2),
          "salt": text(64),
        ], required: ["bucket"]),
    ]
  }()

  static let shared: JSONObject = [
    "scalar": [
      "anyOf": [["type": "string", "maxLength": 1024], ["type": "number"], ["type": "boolean"]]
    ],
    "ordered": ["anyOf": [["type": "string", "maxLength": 1024], ["type": "number"]]],
    "list": list(ref("scalar"), Comparison.operandCount),
    "range": [
      "anyOf": [
        list(["type": "number"], 2...2), list(["type": "string", "maxLength": 1024], 2...2),
      ]
    ],
    "flag": ["type": "boolean"],
    "contained": ["anyOf": [text(1024), ["type": "number"], ["type": "boolean"]]],
    "text": text(1024),
    "duration": ["type": "string", "pattern": "^[0-9]{1,11}[smhdw]$"],
    "moment": [
      "anyOf": [
        ["const": "now"],
        ["type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].+)?$"],
        closed(["ago": ref("duration")], required: ["ago"]),
        closed(["ahead": ref("duration")], required: ["ahead"]),
      ]
    ],
    "day_of_year": [
      "anyOf": [
        ["const": "today"],
        ["type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$"],
        closed(
          [
            "days_from_now": [
              "type": "integer", "minimum": .int(DayOfYear.daysFromNow.lowerBound),
              "maximum": .int(DayOfYear.daysFromNow.upperBound),
            ]
          ], required: ["days_from_now"]),
      ]
    ],
    "window": ["anyOf": [ref("duration"), calendarWindow]],
    "property": closed(
      ["property": text(128)] + operators(Comparison.Operator.allCases), required: ["property"],
      atLeast: 2),
    "first_step": closed(
      ["event": text(200), "within": ref("window"), "where": filters], required: ["event"]),
    "step": closed(
      ["event": text(200), "within": ref("duration"), "same": text(128), "where": filters],
      required: ["event"]),
  ]

  static let calendarWindow = closed(
    [
      "last": closed(
        [
          "days": [
            "type": "integer", "minimum": .int(Window.calendarDays.lowerBound),
            "maximum": .int(Window.calendarDays.upperBound),
          ],
          "zone": ["type": "string", "maxLength": 64],
        ], required: ["days"])
    ], required: ["last"])
}

extension Comparison.Operator {
  /// The definition of the operand.
  fileprivate var schema: String {
    switch self {
    case .eq, .ne: "scalar"
    case .isIn, .notIn: "list"
    case .gt, .gte, .lt, .lte: "ordered"
    case .between: "range"
    case .exists: "flag"
    case .contains: "contained"
    case .startsWith: "text"
    case .matchesDay: "day_of_year"
    case .before, .after: "moment"
    }
  }
}

private func + (left: JSONObject, right: JSONObject) -> JSONObject {
  JSONObject(left.members + right.members)
}
