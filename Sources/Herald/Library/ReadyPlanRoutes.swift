import HTTP
import JSON

enum ReadyPlanRoutes {
  static func endpoints(_ library: ReadyPlans) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/plan-library", .readers,
        Operation(
          "listReadyPlans", "Plans that come with Herald, to be installed with one call.",
          tag: "Plan library", query: Operation.paging,
          responses: [200: Schema.page(Schema.ref("ReadyPlan"))])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        return .page(library.list(page), call.request) { .object($0.summary) }
      },
      Endpoint(
        .get, "/v1/plan-library/{key}", .readers,
        Operation(
          "getReadyPlan", "One of them, with all that installing it would write.",
          tag: "Plan library", query: [ReadyPlan.Language.parameter],
          responses: [200: Schema.ref("ReadyPlan")], errors: [.notFound])
      ) { call in
        let plan = try library.get(call.path("key"))
        var json = plan.summary
        json["package"] = try plan.package(in: try ReadyPlan.Language(call.request)).json
        return .json(200, .object(json))
      },
      Endpoint(
        .put, "/v1/plan-library/{key}/install", .writers,
        Operation(
          "installReadyPlan",
          "Write a ready plan as a draft, with its templates, segments, tags and coupons. Doing it "
            + "again changes nothing; what was edited since is kept.", tag: "Plan library",
          query: [ReadyPlan.Language.parameter, PlanPackage.Conflicts.parameter(.keep)],
          responses: [200: Schema.ref("PlanImport"), 201: Schema.ref("PlanImport")],
          errors: [.notFound, .conflict, .invalid])
      ) { call in
        let conflicts = try PlanPackage.Conflicts(call.request) ?? .keep
        let result = try await library.install(
          call.path("key"), try ReadyPlan.Language(call.request), conflicts, by: call.caller,
          now: call.now)
        return .json(result.isCreated ? 201 : 200, result.json)
      },
    ]
  }

  static let components: JSONObject = ["ReadyPlan": plan]

  private static let text = Schema.object(["en": Schema.string, "zh": Schema.string])
  private static let names = Schema.array(Schema.string)
  private static let plan = Schema.object([
    "key": Schema.key, "stage": Schema.choice(PlanDocument.Goal.Stage.allCases.map(\.rawValue)),
    "name": text, "summary": text,
    "trigger": Schema.choice(["event", "date", "scene", "api", "cron", "segment"]),
    "channels": names,
    "needs": Schema.object([
      "events?": Schema.map(names), "scenes?": Schema.map(names), "attributes?": names,
    ]),
    "package?": Schema.ref("PlanPackage"),
  ])
}

extension ReadyPlan.Language {
  static let parameter = Operation.Parameter(
    "language", Schema.choice(allCases.map(\.rawValue)), "Of names and messages; 'en' when absent.")

  init(_ request: Request) throws {
    let text = try request.choice("language", Self.allCases.map(\.rawValue))
    self = text.flatMap(Self.init(rawValue:)) ?? .en
  }
}
