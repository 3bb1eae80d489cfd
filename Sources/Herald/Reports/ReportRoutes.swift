import Foundation
import HTTP
import JSON

enum ReportRoutes {
  static func endpoints(_ reports: Reports) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/plans/{key}/accounting", .readers,
        Operation(
          "getPlanAccounting",
          "Where everybody and every message of a plan stands, counted from rows at one instant.",
          tag: "Reports", responses: [200: Schema.ref("Accounting")], errors: [.notFound])
      ) { call in
        let accounting = try await reports.accounting(
          call.path("key"), for: call.caller, now: call.now)
        return .json(200, accounting.json)
      },
      Endpoint(
        .get, "/v1/plans/{key}/report", .readers,
        Operation(
          "getPlanReport",
          "What a plan brought. Also as text/csv (`Accept` or `format`) and as a text table.",
          tag: "Reports",
          query: [
            .init(
              "by", Schema.choice(Report.Dimension.allCases.map(\.rawValue)),
              "What a row stands for; step when absent. A delivery that went out by several channels is in the "
                + "row of each, and once in the totals."),
            .init("run", Schema.uuid, "Of this run alone."),
            .init(
              "format", Schema.choice(Report.Format.allCases.map(\.rawValue)),
              "Goes before `Accept`."),
          ], responses: [200: Schema.ref("Report")], otherTypes: ["text/csv", "text/plain"],
          errors: [.notFound])
      ) { call in
        let by = try call.request.choice("by", Report.Dimension.allCases.map(\.rawValue))
        let format = try call.request.reportFormat()
        let report = try await reports.report(
          call.path("key"), by: by.flatMap(Report.Dimension.init(rawValue:)) ?? .step,
          run: try call.request.uuid("run"), for: call.caller, now: call.now)
        return report.response(format)
      },
    ] + DeliveryRoutes.endpoints(reports)
  }

  static let components: JSONObject = {
    var components: JSONObject = ["Accounting": Accounting.schema, "Report": Report.schema]
    for (name, schema) in DeliveryRoutes.components { components[name] = schema }
    return components
  }()
}

extension Request {
  /// An id in the query; 400 otherwise.
  func uuid(_ name: String) throws -> UUID? {
    guard let text = query(name) else { return nil }
    guard let id = UUID(uuidString: text) else {
      throw HeraldError(.badQuery, "`\(name)` must be an id.", pointer: name)
    }
    return id
  }
}
