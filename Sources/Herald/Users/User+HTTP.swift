import HTTP
import JSON

extension User {
  /// As the API shows it; `masked` for callers who may not see personal fields. `unknown`: what the
  /// settings say of a consent nobody gave or denied.
  func json(masked: Bool, unknown: UnknownConsent) -> JSONValue {
    [
      "id": .id(id), "identities": .object(identitiesJSON(masked: masked)),
      "attributes": masked ? UserMask.masked(.object(attributes)) : .object(attributes),
      "tags": masked ? UserMask.masked(.object(tags)) : .object(tags),
      "consents": .object(consentsJSON),
      "devices": .array(devices.map { $0.json(masked: masked) }),
      "reachable": .array(reachable(unknown).map { .string($0.rawValue) }),
      "time_zone": .optional(timeZone), "locale": .optional(locale),
      "created_at": .instant(createdAt), "updated_at": .instant(updatedAt),
    ]
  }

  /// `{"sms": "granted", "sms:promotions": "denied"}`
  private var consentsJSON: JSONObject {
    let all =
      consents.map { (Subscription($0.key), $0.value) } + groupConsents.map { ($0.key, $0.value) }
    return JSONObject(
      all.map { (key: $0.0.text, value: JSONValue.string($0.1.rawValue)) }
        .sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) })
  }

  /// A string, or an array of them where a kind has several.
  private func identitiesJSON(masked: Bool) -> JSONObject {
    var json = JSONObject()
    for identity in identities.byPriority() {
      let key = identity.kind.key
      let value = JSONValue.string(masked ? UserMask.masked(identity.value) : identity.value)
      switch json[key] {
      case nil: json[key] = value
      case .array(let values)?: json[key] = .array(values + [value])
      case let first?: json[key] = [first, value]
      }
    }
    return json
  }
}

extension Device {
  fileprivate func json(masked: Bool) -> JSONValue {
    [
      "platform": .string(platform), "provider": .string(provider),
      "token": .string(masked ? UserMask.masked(token) : token), "state": .string(state.rawValue),
    ]
  }
}

extension HeraldError {
  /// As an item of a batch's answer carries it.
  func problemJSON(requestID: String) -> JSONValue {
    guard case .bytes(let bytes) = EndpointRunner.response(self, requestID: requestID).body,
      let json = try? JSONScanner.parse(bytes)
    else { return .null }
    return json
  }
}

/// The schemas of users in requests and answers.
enum UserSchema {
  private static let identityValues = Schema.oneOf([
    Schema.text(1...255), Schema.array(Schema.text(1...255), max: 20),
  ])
  private static let identities = Schema.members(
    IdentityKind.all.map { ($0.key, $0.multiple ? identityValues : Schema.text(1...255)) },
    others: identityValues)
  private static let consents = Subscription.map(
    Schema.choice(ConsentState.allCases.map(\.rawValue)))
  private static let tagValue = Schema.oneOf([Schema.bool, Schema.number, Schema.string])

  private static let shared: KeyValuePairs<String, JSONValue> = [
    "attributes?": Schema.ref("AttributeChanges"), "time_zone?": Schema.nullable(Schema.string),
    "locale?": Schema.nullable(Schema.string), "consents?": consents,
    "tags?": Schema.map(Schema.nullable(tagValue)),
    "devices?": Schema.array(
      Schema.object([
        "platform": Schema.key, "provider": Schema.key, "token": Schema.text(1...2048),
      ]), max: 50),
  ]

  /// Of an upsert.
  static let upsert = Schema.extended(shared, with: "identities", identities, required: true)
  static let patch = Schema.extended(shared, with: "identities", identities, required: false)

  static let user = Schema.object([
    "id": Schema.uuid, "identities": identities, "attributes": Schema.map(Schema.any),
    "tags": Schema.map(tagValue), "consents": consents,
    "devices": Schema.array(
      Schema.object([
        "platform": Schema.string, "provider": Schema.string, "token": Schema.string,
        "state": Schema.choice(Device.State.allCases.map(\.rawValue)),
      ])),
    "reachable": Schema.array(Schema.choice(Channel.allCases.map(\.rawValue))),
    "time_zone": Schema.nullable(Schema.string), "locale": Schema.nullable(Schema.string),
    "created_at": Schema.instant, "updated_at": Schema.instant,
  ])

  /// Per item: `id` of those that went well, `problem` of the others.
  static let itemResult = Schema.object([
    "index": Schema.count, "status": ["type": "integer"], "id?": Schema.uuid,
    "problem?": Schema.ref("Problem"),
  ])
}

extension Schema {
  /// A closed object of optional members that are known only as a list.
  /// `others`: what further members may be; nil for none.
  static func members(_ members: [(String, JSONValue)], others: JSONValue? = nil) -> JSONValue {
    [
      "type": "object", "properties": .object(JSONObject(members.map { (key: $0.0, value: $0.1) })),
      "additionalProperties": others ?? false,
    ]
  }

  fileprivate static func extended(
    _ members: KeyValuePairs<String, JSONValue>, with key: String, _ schema: JSONValue,
    required: Bool
  ) -> JSONValue {
    var properties = JSONObject([(key: key, value: schema)])
    for (name, schema) in members { properties[String(name.dropLast())] = schema }
    var object: JSONObject = [
      "type": "object", "properties": .object(properties), "additionalProperties": false,
    ]
    if required { object["required"] = [.string(key)] }
    return .object(object)
  }
}
