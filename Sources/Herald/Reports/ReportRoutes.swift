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
      }
    ]
  }

  static let components: JSONObject = ["Accounting": Accounting.schema]
}
