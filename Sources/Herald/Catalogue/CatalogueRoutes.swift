import Foundation
import HTTP
import JSON

enum CatalogueRoutes {
  static func endpoints(_ catalogue: Catalogue) -> [Endpoint] {
    reading(catalogue) + declaring(catalogue)
  }

  private static func reading(_ catalogue: Catalogue) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/catalogue/events", .readers,
        Operation(
          "listCatalogueEvents", "Events seen or declared, by name; some seconds old.",
          tag: "Catalogue", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("CatalogueEvent"))])
      ) { call in
        let page = try await catalogue.events(try PageRequest(call.request, width: 1))
        return .page(page, call.request) { .object($0.json(for: call.caller)) }
      },
      Endpoint(
        .get, "/v1/catalogue/events/{name}", .readers,
        Operation(
          "getCatalogueEvent",
          "An event with its properties. Samples are none of personal fields, and masked for "
            + "analysts.", tag: "Catalogue", path: name,
          responses: [200: Schema.ref("CatalogueEventDetail")],
          errors: [.notFound])
      ) { call in
        let detail = try await catalogue.event(call.path("name"), for: call.caller)
        return .resource(detail.json(for: call.caller), version: detail.event.version)
      },
      Endpoint(
        .get, "/v1/catalogue/attributes", .readers,
        Operation(
          "listCatalogueAttributes", "Attributes of users that were set, by name.",
          tag: "Catalogue", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("CatalogueField"))])
      ) { call in
        let page = try await catalogue.attributes(
          try PageRequest(call.request, width: 1), for: call.caller)
        return .page(page, call.request) { $0.json(nil, for: call.caller) }
      },
    ]
  }

  private static func declaring(_ catalogue: Catalogue) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/catalogue/events/{name}", .writers,
        Operation(
          "declareEvent",
          "Declare the properties of an event, and what happens to events that do not fit: `accept`, "
            + "`flag` (stored, counted and listed under /v1/violations), or `reject` (refused one by one). Holds within a second.",
          tag: "Catalogue", path: name, request: EventSchema.request,
          responses: [
            200: Schema.ref("CatalogueEventDetail"), 201: Schema.ref("CatalogueEventDetail"),
          ], errors: [.preconditionFailed])
      ) { call in
        let name = call.path("name")
        guard AttributeName.isValid(name) else {
          throw HeraldError(.invalid, "The name of an event: \(AttributeName.expectation)")
        }
        let schema = try call.read { reader, _ in EventSchema(reader) }
        let (event, created) = try await catalogue.declare(
          schema, for: name, expecting: try call.expectedVersion(), by: call.caller,
          now: call.now)
        let detail = try await catalogue.event(name, for: call.caller)
        return .resource(
          detail.json(for: call.caller), version: event.version, created: created)
      },
      Endpoint(
        .delete, "/v1/catalogue/events/{name}", .writers,
        Operation(
          "undeclareEvent", "Take a declaration away; what was seen stays.", tag: "Catalogue",
          path: name, responses: [204: nil], errors: [.notFound])
      ) { call in
        try await catalogue.undeclare(call.path("name"), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  static let components: JSONObject = [
    "CatalogueEvent": Schema.members(eventMembers),
    "CatalogueEventDetail": Schema.members(
      eventMembers + [("properties", Schema.array(Schema.ref("CatalogueField")))]),
    "CatalogueField": Schema.object([
      "name": Schema.string, "types": Schema.counts, "count": Schema.nullable(Schema.count),
      "first_seen": Schema.nullable(Schema.instant), "last_seen": Schema.nullable(Schema.instant),
      "personal": Schema.bool, "declared": Schema.nullable(EventSchema.declared),
      "samples": Schema.array(Schema.any),
    ]),
  ]

  private static let name = ["name": Schema.text(1...128)]
  private static let eventMembers: [(String, JSONValue)] = [
    ("name", Schema.string), ("count", Schema.nullable(Schema.count)),
    ("flagged", Schema.nullable(Schema.count)),
    ("first_seen", Schema.nullable(Schema.instant)),
    ("last_seen", Schema.nullable(Schema.instant)),
    ("mode", Schema.nullable(Schema.choice(EventSchema.Mode.allCases.map(\.rawValue)))),
  ]
}

extension CatalogueEvent {
  /// Counts are over everybody: a key with a user scope gets names and types only.
  fileprivate func json(for caller: Caller) -> JSONObject {
    let isWhole = caller.userScope == nil
    return [
      "name": .string(name), "count": isWhole ? .int(count) : .null,
      "flagged": isWhole ? .int(flagged) : .null,
      "first_seen": .instant(isWhole ? firstSeen : nil),
      "last_seen": .instant(isWhole ? lastSeen : nil),
      "mode": .optional(schema?.mode.rawValue),
    ]
  }
}

extension Catalogue.EventDetail {
  fileprivate func json(for caller: Caller) -> JSONValue {
    var json = event.json(for: caller)
    json["properties"] = .array(
      properties.map { field in
        let declared = event.schema?.properties.first { $0.name == field.name }?.property
        return field.json(declared, for: caller)
      })
    return .object(json)
  }
}

extension CatalogueField {
  fileprivate func json(_ declared: EventSchema.Property?, for caller: Caller) -> JSONValue {
    let isWhole = caller.userScope == nil
    let shown = caller.seesMasked ? samples.map { UserMask.masked($0, isPersonal: true) } : samples
    return [
      "name": .string(name),
      "types": isWhole ? .counts(types) : .counts(types.mapValues { _ in 1 }),
      "count": isWhole ? .int(count) : .null,
      "first_seen": .instant(isWhole ? firstSeen : nil),
      "last_seen": .instant(isWhole ? lastSeen : nil), "personal": .bool(isPersonal),
      "declared": declared?.json ?? .null, "samples": .array(shown),
    ]
  }
}
