import Foundation
import HTTP
import JSON

enum TriggerRoutes {
  static func endpoints(_ triggers: Triggers, _ scenes: Scenes) -> [Endpoint] {
    [trigger(triggers), scene(scenes)]
  }

  private static func trigger(_ triggers: Triggers) -> Endpoint {
    Endpoint(
      .post, "/v1/plans/{key}/trigger", .roles([.admin, .operator, .ingest]),
      Operation(
        "triggerPlan",
        "Make a person enter a live plan with an API trigger. Refusals at entry are outcomes.",
        tag: "Plans",
        request: Schema.object([
          "user": Schema.text(1...320), "properties?": Schema.map(Schema.any),
        ]), responses: [202: Schema.ref("PlanEntry")], errors: [.notFound, .wrongState])
    ) { call in
      let (ref, properties) = try call.read { reader, _ in
        let ref = reader.userRef("user")
        let properties = reader.properties()
        return ref.map { ($0, properties) }
      }
      let outcome = try await triggers.trigger(
        call.path("key"), user: ref, properties: properties, by: call.caller, now: call.now)
      return .json(202, outcome.json)
    }
  }

  private static func scene(_ scenes: Scenes) -> Endpoint {
    Endpoint(
      .post, "/v1/scenes", .roles([.admin, .operator, .ingest]),
      Operation(
        "postScene", "Say that something happened to the world; plans that wait for it run.",
        tag: "Events",
        request: Schema.object([
          "message_id?": Schema.text(1...256), "name": Schema.text(1...128),
          "timestamp?": Schema.instant, "properties?": Schema.map(Schema.any),
        ]), responses: [202: Schema.ref("SceneReceipt")])
    ) { call in
      let now = call.now
      let new = try call.read { reader, _ in
        let name = reader.string("name", required: true, minLength: 1, maxLength: 128)
        let id = reader.string("message_id", minLength: 1, maxLength: 256)
        let timestamp = reader.instant("timestamp")
        if let timestamp, !NewEvent.accepts(timestamp, now: now) {
          reader.add(.outOfRange, "timestamp", NewEvent.timestampFault.detail)
        }
        let properties = reader.properties()
        return name.map { (name: $0, id: id, timestamp: timestamp, properties: properties) }
      }
      let (id, isNew) = try await scenes.accept(
        name: new.name, timestamp: new.timestamp, properties: new.properties, messageID: new.id,
        by: call.caller, now: now)
      return .json(202, ["id": isNew ? .id(id) : .null, "duplicate": .bool(!isNew)])
    }
  }

  static let components: JSONObject = [
    "PlanEntry": Schema.object([
      "user": Schema.uuid, "entry": Schema.string,
      "outcome": Schema.choice(["entered", "held_out", "skipped"]),
      "code": Schema.nullable(Schema.string),
    ]),
    "SceneReceipt": Schema.object(["id": Schema.nullable(Schema.uuid), "duplicate": Schema.bool]),
  ]
}

extension EntryStore.Outcome {
  var json: JSONValue {
    [
      "user": .id(user), "entry": .string(entryKey),
      "outcome": .string(state == "active" ? "entered" : state), "code": .optional(reason),
    ]
  }
}

extension ObjectReader {
  fileprivate func userRef(_ key: String) -> UserRef? {
    guard let text = string(key, required: true, minLength: 1, maxLength: 320) else { return nil }
    do throws(IdentityFault) {
      return try UserRef(text: text)
    } catch {
      add(.invalidFormat, key, error.detail)
      return nil
    }
  }

  fileprivate func properties() -> JSONObject {
    guard let value = value("properties") else { return [:] }
    guard case .object(let properties) = value else {
      add(.typeMismatch, "properties", "An object is expected here, not \(value.article).")
      return [:]
    }
    return properties
  }
}
