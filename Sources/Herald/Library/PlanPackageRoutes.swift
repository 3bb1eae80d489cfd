import HTTP
import JSON

enum PlanPackageRoutes {
  static func endpoints(_ packages: PlanPackages) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/plans/{key}/export", .readers,
        Operation(
          "exportPlan",
          "The draft, or else the live version, as a document with the tags, segments, templates "
            + "and coupons it refers to. No people, codes or secrets.", tag: "Plans",
          query: [.init("version", Schema.integer(1...1_000_000), "Another version.")],
          responses: [200: Schema.ref("PlanPackage")],
          errors: [.notFound, .invalid])
      ) { call in
        let version = try call.request.integer("version", 1...1_000_000)
        let package = try await packages.export(
          call.path("key"), version: version, by: call.caller)
        return .json(200, package.json)
      },
      Endpoint(
        .put, "/v1/plans/{key}/import", .writers,
        Operation(
          "importPlan",
          "Write an exported plan as a draft, with what it refers to; all or nothing. Says whether "
            + "it has the hash it had where it comes from, and what lacks.", tag: "Plans",
          query: [PlanPackage.Conflicts.parameter(.refuse)], request: Schema.ref("PlanPackage"),
          responses: [200: Schema.ref("PlanImport"), 201: Schema.ref("PlanImport")],
          errors: [.conflict, .segmentCycle]),
        body: .buffered(limit: 8 << 20)
      ) { call in
        let key = try call.key("key")
        let conflicts = try PlanPackage.Conflicts(call.request) ?? .refuse
        let package = try call.read { reader, faults in
          PlanPackage(key: key, reader, faults)
        }
        let result = try await packages.take(
          package, conflicts, by: call.caller, now: call.now)
        return .json(result.isCreated ? 201 : 200, result.json)
      },
    ]
  }

  static let components: JSONObject = [
    "PlanPackage": PlanPackage.schema, "PlanImport": PlanImport.schema,
  ]
}

extension PlanPackage.Conflicts {
  static func parameter(_ absent: Self) -> Operation.Parameter {
    .init(
      "conflicts", Schema.choice(allCases.map(\.rawValue)),
      "What becomes of things that are here already and differ; '\(absent.rawValue)' when absent.")
  }

  init?(_ request: Request) throws {
    guard let text = try request.choice("conflicts", Self.allCases.map(\.rawValue)) else {
      return nil
    }
    self.init(rawValue: text)
  }
}
