import Foundation
import HTTP
import JSON

enum ReplayRoutes {
  static func endpoints(_ replays: Replays) -> [Endpoint] {
    [
      Endpoint(
        .post, "/v1/plans/{key}/replay", .readers,
        Operation(
          "replayPlan",
          "Run the draft (or the live version) over a past period: who would have got what, and "
            + "when. Sends and changes nothing. Also as text/csv and as a text table, unpaged.",
          tag: "Plans",
          query: Operation.paging + [
            .init(
              "format", Schema.choice(Report.Format.allCases.map(\.rawValue)),
              "Goes before `Accept`.")
          ], request: Schema.object(["from": Schema.instant, "until": Schema.instant]),
          responses: [200: Schema.ref("Replay")], otherTypes: ["text/csv", "text/plain"],
          errors: [.notFound, .wrongState, .conflict])
      ) { call in
        let page = try PageRequest(call.request, width: 1)
        let format = try call.request.reportFormat()
        let now = call.now
        let period = try call.read { reader, _ in Replay.Period(reader, now: now) }
        let replay = try await replays.replay(
          call.path("key"), period, by: call.caller, now: call.now)
        return replay.response(format, page)
      }
    ]
  }

  static let components: JSONObject = ["Replay": Replay.schema]
}
