import HTTP
import JSON

enum CapRoutes {
  static func endpoints(_ caps: Caps) -> [Endpoint] {
    [
      Endpoint(
        .put, "/v1/caps/{key}", .writers,
        Operation(
          "putCap",
          "Limit how often people are written to by marketing plans. It holds from now on and counts "
            + "what was sent before. What allows more than before is for an admin.",
          tag: "Pressure", request: Cap.request,
          responses: [200: Schema.ref("Cap"), 201: Schema.ref("Cap")],
          errors: [.preconditionFailed])
      ) { call in
        let key = try call.key("key")
        let cap = try call.read { reader, _ in Cap(key: key, reader) }
        let (stored, created) = try await caps.put(
          cap, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return .resource(stored.json, version: stored.version, created: created)
      },
      Endpoint(
        .get, "/v1/caps", .readers,
        Operation(
          "listCaps", "All caps, by key.", tag: "Pressure",
          responses: [200: Schema.page(Schema.ref("Cap"))])
      ) { call in
        let all = try await caps.list()
        return .page(
          Page(all, PageRequest(limit: .max - 1)) { [$0.cap.key] }, call.request, item: \.json)
      },
      Endpoint(
        .get, "/v1/caps/{key}", .readers,
        Operation(
          "getCap", "One cap.", tag: "Pressure", responses: [200: Schema.ref("Cap")],
          errors: [.notFound])
      ) { call in
        let stored = try await caps.get(call.path("key"))
        return .resource(stored.json, version: stored.version)
      },
      Endpoint(
        .delete, "/v1/caps/{key}", .admins,
        Operation(
          "deleteCap", "Lift a cap.", tag: "Pressure", responses: [204: nil], errors: [.notFound])
      ) { call in
        try await caps.delete(call.path("key"), by: call.caller, now: call.now)
        return .noContent
      },
    ]
  }

  static let components: JSONObject = ["Cap": Cap.schema]
}
