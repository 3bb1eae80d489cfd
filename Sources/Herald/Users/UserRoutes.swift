import HTTP
import JSON

enum UserRoutes {
  static func endpoints(_ users: Users) -> [Endpoint] {
    writing(users) + reading(users) + history(users)
  }

  static let components: JSONObject = [
    "User": UserSchema.user, "AttributeChanges": UserSchema.attributeChanges,
    "UserResult": UserSchema.itemResult,
    "TimelineEntry": TimelineEntry.schema, "UserExport": UserExport.schema,
    "UserOverview": Overview.schema,
  ]

  private static func writing(_ users: Users) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/users", .writers,
        Operation(
          "putUser", "Create or change the user whom the identities name.", tag: "Users",
          request: UserSchema.upsert,
          responses: [200: Schema.ref("User"), 201: Schema.ref("User")],
          errors: [.identityConflict])
      ) { call in
        let change = try call.read { reader, faults in UserChange(upsert: reader, faults) }
        let (user, created) = try await users.upsert(change, by: call.caller, now: call.now)
        return try await .user(user, created: created, call, of: users)
      },
      Endpoint(
        .post, "/v1/users/batch", .writers,
        Operation(
          "putUsers", "Create or change up to 1000 users; each is answered by itself.",
          tag: "Users",
          request: Schema.object(["users": Schema.array(Schema.item(UserSchema.upsert), max: 1000)]
          ),
          responses: [
            200: Schema.object(["results": Schema.array(Schema.ref("UserResult"))])
          ]), body: .buffered(limit: 16 << 20)
      ) { call in
        let items = try call.readItems("users", count: 0...1000) { reader, faults in
          UserChange(upsert: reader, faults).map {
            UserChanges.Item(change: $0, pointer: reader.pointer)
          }
        }
        let results = try await users.batch(items, by: call.caller, now: call.now)
        return .json(200, ["results": .results(results, requestID: call.requestID)])
      },
      Endpoint(
        .patch, "/v1/users/{u}", .writers,
        Operation(
          "patchUser", "Change a user; null removes an attribute or tag.", tag: "Users",
          request: UserSchema.patch, responses: [200: Schema.ref("User")],
          errors: [.notFound, .identityConflict, .preconditionFailed])
      ) { call in
        let ref = try UserRef.inPath(call.path("u"))
        let change = try call.read { reader, faults in UserChange(patch: reader, faults) }
        let user = try await users.patch(
          ref, change, expecting: try call.expectedVersion(), by: call.caller, now: call.now)
        return try await .user(user, call, of: users)
      },
    ]
  }

  private static func reading(_ users: Users) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/users", .readers,
        Operation(
          "listUsers", "Users, oldest first.", tag: "Users",
          query: Operation.paging + [
            .init("tag", Schema.key, "Only users who have it."),
            .init("segment", Schema.key, "Only its members."),
            .init("created_after", Schema.instant, "Only users created after."),
          ], responses: [200: Schema.page(Schema.ref("User"))], errors: [.notFound])
      ) { call in
        let page = try await users.list(
          try PageRequest(call.request, width: 2), tag: try call.request.key("tag"),
          segment: try call.request.key("segment"),
          createdAfter: try call.request.instant("created_after"), for: call.caller, now: call.now)
        let unknown = try await users.currentSettings().unknownConsent
        return .page(page, call.request) {
          $0.json(masked: call.caller.seesMasked, unknown: unknown)
        }
      },
      Endpoint(
        .get, "/v1/users/{u}", .readers,
        Operation(
          "getUser", "One user.", tag: "Users", responses: [200: Schema.ref("User")],
          errors: [.notFound])
      ) { call in
        let ref = try UserRef.inPath(call.path("u"))
        let user = try await users.get(ref, for: call.caller, now: call.now)
        return try await .user(user, call, of: users)
      },
    ]
  }

  private static func history(_ users: Users) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/users/{u}/timeline", .readers,
        Operation(
          "getUserTimeline",
          "Events with the amounts of orders, deliveries, receipts, coupons, tags, consents, "
            + "identities and merges, newest first.", tag: "Users",
          query: Operation.paging + [
            .init(
              "kind", Schema.list(of: TimelineFilter.kindNames),
              "Only these, comma-separated: \(TimelineFilter.kindNames.joined(separator: ", "))."),
            .init(
              "name", Schema.text(1...128), "Only of this event, tag, coupon, plan or channel."),
            .init("from", Schema.instant, "Only what happened at or after."),
            .init("until", Schema.instant, "Only what happened before."),
          ], responses: [200: Schema.page(Schema.ref("TimelineEntry"))], errors: [.notFound])
      ) { call in
        let page = try await users.timeline(
          try UserRef.inPath(call.path("u")), try PageRequest(call.request, width: 2),
          try TimelineFilter(call.request), for: call.caller, now: call.now)
        return .page(page, call.request) { $0.json(masked: call.caller.seesMasked) }
      },
      Endpoint(
        .get, "/v1/users/{u}/overview", .readers,
        Operation(
          "getUserOverview",
          "A user on one page: orders, events, tags with their sources, consents, reach, messages and "
            + "coupons in figures.", tag: "Users",
          responses: [200: Schema.ref("UserOverview")], errors: [.notFound])
      ) { call in
        let (overview, unknown) = try await users.overview(
          try UserRef.inPath(call.path("u")), for: call.caller, now: call.now)
        return .json(200, overview.json(masked: call.caller.seesMasked, unknown: unknown))
      },
      Endpoint(
        .get, "/v1/users/{u}/export", .writers,
        Operation(
          "exportUser", "Everything known of a user, for them to have.", tag: "Users",
          responses: [200: Schema.ref("UserExport")], errors: [.notFound])
      ) { call in
        let export = try await users.export(
          try UserRef.inPath(call.path("u")), by: call.caller, now: call.now)
        return .json(200, export)
      },
    ]
  }
}

extension Response {
  fileprivate static func user(
    _ user: User, created: Bool = false, _ call: Call, of users: Users
  ) async throws -> Response {
    let unknown = try await users.currentSettings().unknownConsent
    var response = Response.resource(
      user.json(masked: call.caller.seesMasked, unknown: unknown), version: user.version,
      created: created)
    if created { response.headers["location"] = "/v1/users/\(user.id.text)" }
    return response
  }
}

extension JSONValue {
  /// The items of a batch's answer.
  static func results(_ results: [Users.ItemResult], requestID: String) -> JSONValue {
    let items = results.enumerated().map { index, result -> JSONValue in
      switch result {
      case .changed(let id, let created):
        ["index": .int(index), "status": .int(created ? 201 : 200), "id": .id(id)]
      case .refused(let error):
        [
          "index": .int(index), "status": .int(error.code.status),
          "problem": error.problemJSON(requestID: requestID),
        ]
      }
    }
    return .array(items)
  }
}

extension TimelineFilter {
  /// Of `kind`, `name`, `from` and `until` in the query.
  fileprivate init(_ request: Request) throws {
    for kind in request.query("kind")?.split(separator: ",") ?? [] {
      if kind == "order" {
        kinds.insert(.event)
        ordersOnly = true
      } else if let known = TimelineEntry.Kind(rawValue: String(kind)) {
        kinds.insert(known)
      } else {
        throw HeraldError(
          .badQuery, "`kind` must be out of \(Self.kindNames.joined(separator: ", ")).",
          pointer: "kind")
      }
    }
    // Events and orders are all events.
    if request.query("kind")?.split(separator: ",").contains("event") ?? false {
      ordersOnly = false
    }
    name = request.query("name")
    from = try request.instant("from")
    until = try request.instant("until")
  }
}
