import HTTP
import JSON

extension PlanRoutes {
  /// Copies, groups: what is done with plans as with files.
  static func groups(_ plans: Plans) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/plans/{key}/copy", .writers,
        Operation(
          "copyPlan", "Write the same document, the draft or else the live one, under a new key.",
          tag: "Plans", request: PlanCopy.schema, responses: [201: Schema.ref("Plan")],
          errors: [.notFound, .wrongState, .conflict])
      ) { call in
        let copy = try call.read { reader, _ in PlanCopy(reader) }
        let overview = try await plans.copy(
          call.path("key"), copy, by: call.caller, now: call.now)
        return .resource(overview.json, version: overview.plan.version, created: true)
      },
      Endpoint(
        .put, "/v1/plans/{key}/group", .writers,
        Operation(
          "groupPlan", "Put a plan into a group, or with null into none. Needs no approval.",
          tag: "Plans", request: Schema.object(["group": Schema.nullable(Schema.key)]),
          responses: [200: Schema.ref("Plan")], errors: [.notFound])
      ) { call in
        let group = try call.read { reader, _ -> String?? in
          if reader.isNull("group") {
            reader.allow("group")
            return .some(nil)
          }
          return reader.string("group", required: true, pattern: .key).map { .some($0) }
        }
        let overview = try await plans.group(
          call.path("key"), group, by: call.caller, now: call.now)
        return .resource(overview.json, version: overview.plan.version)
      },
      Endpoint(
        .get, "/v1/plan-groups", .readers,
        Operation(
          "listPlanGroups", "Groups that plans are in, with how many of them are live.",
          tag: "Plans", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("PlanGroup"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        return .page(try await plans.groups(page), call.request, item: \.json)
      },
    ]
  }
}

extension PlanFilter {
  static let parameters: [Operation.Parameter] = [
    .init(
      "state", Schema.choice(PlanState.allCases.map(\.rawValue)),
      "Those whose draft or live version is in this state."),
    .init("group", Schema.key, "Those of this group."),
    .init("archived", Schema.choice(["true", "false"]), "Archived ones only."),
  ]

  init(_ request: Request) throws {
    state = try request.choice("state", PlanState.allCases.map(\.rawValue))
    group = try request.key("group")
    isArchived = try request.choice("archived", ["true", "false"]) == "true"
  }
}

extension PlanGroup {
  static let schema = Schema.object([
    "group": Schema.key, "plans": Schema.count, "live": Schema.count,
  ])

  var json: JSONValue { ["group": .string(key), "plans": .int(plans), "live": .int(live)] }
}

extension PlanCopy {
  static let schema = Schema.object(["key": Schema.key, "name?": Schema.text(1...200)])

  init?(_ reader: ObjectReader) {
    let key = reader.string("key", required: true, pattern: .key)
    name = reader.string("name", minLength: 1, maxLength: 200)
    guard let key else { return nil }
    self.key = key
  }
}
