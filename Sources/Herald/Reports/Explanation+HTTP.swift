import JSON

extension Explanation {
  func json(masked: Bool) -> JSONValue {
    [
      "user": .id(user), "plan": .string(plan),
      "decisions": .array(decisions.map { $0.json(masked: masked) }),
    ]
  }

  static let schema = Schema.object([
    "user": Schema.uuid, "plan": Schema.key,
    "decisions": Schema.array(Schema.ref("Decision")),
  ])
  /// Of a segment: the tree of its condition, each node with `true`, leaves with `value`.
  static let membership = Schema.object([
    "user": Schema.uuid, "segment": Schema.key, "member": Schema.bool,
    "condition": Schema.map(Schema.any),
  ])
}

extension Decision {
  fileprivate func json(masked: Bool) -> JSONValue {
    [
      "run": .optional(run?.text), "at": .instant(at), "step": .optional(step),
      "outcome": .string(outcome.rawValue), "gate": .optional(gate), "code": .optional(code),
      "values": values.map { masked ? ExplanationMask.masked($0) : $0 } ?? .null,
      "delivery": .optional(delivery?.text), "channel": .optional(channel),
      "sender": .optional(sender), "arm": .optional(arm),
      "attempts": .array(attempts.map(\.json)),
    ]
  }

  static let schema = Schema.object([
    "run": Schema.nullable(Schema.uuid), "at": Schema.instant,
    "step": Schema.nullable(Schema.string),
    "outcome": Schema.choice(Outcome.allCases.map(\.rawValue)),
    "gate": Schema.nullable(Schema.string), "code": Schema.nullable(Schema.string),
    "values": Schema.nullable(Schema.map(Schema.any)), "delivery": Schema.nullable(Schema.uuid),
    "channel": Schema.nullable(Schema.string), "sender": Schema.nullable(Schema.string),
    "arm": Schema.nullable(Schema.string),
    "attempts": Schema.array(ExplainedAttempt.schema),
  ])
}

extension ExplainedAttempt {
  var json: JSONValue {
    [
      "link": .int(link), "channel": .string(channel), "sender": .optional(sender),
      "status": .string(status), "reason": .optional(reason),
      "provider_id": .optional(providerID), "at": .instant(at),
    ]
  }

  static let schema = Schema.object([
    "link": Schema.count, "channel": Schema.string, "sender": Schema.nullable(Schema.string),
    "status": Schema.choice(AttemptStatus.allCases.map(\.rawValue)),
    "reason": Schema.nullable(Schema.string), "provider_id": Schema.nullable(Schema.string),
    "at": Schema.instant,
  ])
}

/// Hides what a leaf of an explained condition saw of a personal attribute, besides personal fields.
enum ExplanationMask {
  static func masked(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let elements): return .array(elements.map(masked))
    case .object(let object):
      let isPersonal = object["attribute"]?.stringValue.map(UserMask.isPersonal) ?? false
      return .object(
        JSONObject(
          object.members.map { key, inner in
            if isPersonal, key == "value" {
              return (key: key, value: UserMask.masked(inner, isPersonal: true))
            }
            if UserMask.isPersonal(key) {
              return (key: key, value: UserMask.masked(inner, isPersonal: true))
            }
            return (key: key, value: masked(inner))
          }))
    default: return UserMask.masked(value)
    }
  }
}
