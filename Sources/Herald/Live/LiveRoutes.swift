import Foundation
import HTTP
import JSON

enum LiveRoutes {
  static func endpoints(
    _ feeds: LiveFeeds, _ keys: Keys, now: @escaping @Sendable () -> Date
  ) -> [Endpoint] {
    [
      Endpoint(
        .get, "/v1/plans/{key}/live", .readers,
        Operation(
          "watchPlan",
          "Server-sent events: `live` with a PlanLive each time something happened, `end` with the reason.",
          tag: "Plans",
          query: [
            .init("seconds", Schema.integer(1...3600), "End after so long; an hour when absent.")
          ], responses: [200: event], responseType: "text/event-stream",
          errors: [.notFound, .throttled])
      ) { call in
        let (key, request, caller) = (call.path("key"), call.request, call.caller)
        let seconds = try request.integer("seconds", 1...3600)
        try await feeds.open(key)
        return Response(
          status: 200,
          headers: [
            "Content-Type": "text/event-stream", "Cache-Control": "no-store",
            // Proxies hold back what they buffer.
            "X-Accel-Buffering": "no",
          ],
          body: .stream { writer in
            try await feeds.stream(
              key, for: caller, longest: seconds.map { .seconds($0) }, to: writer
            ) {
              let known = try? await keys.authenticate(request, now: now())
              return known?.keyID == caller.keyID
            }
          })
      }
    ]
  }

  /// What an event of the stream is, read as the standard says; `data` is JSON, a PlanLive or the reason.
  private static let event = Schema.object([
    "event": Schema.choice(["live", "end"]), "id?": Schema.string, "data": Schema.string,
  ])

  static let components: JSONObject = ["PlanLive": LiveSnapshot.schema]
}
