import HTTP
import JSON

enum MetricsRoutes {
  static func endpoints(_ metrics: Metrics, _ keys: Keys) -> [Endpoint] {
    [
      // Open to the router: a scraper on this machine has no key.
      Endpoint(
        .get, "/metrics", .open,
        Operation(
          "metrics",
          "Figures for Prometheus, text format 0.0.4. A key of any role, or none from the machine itself.",
          tag: "System", responses: [200: Schema.string], responseType: "text/plain",
          errors: [.unauthorized, .throttled])
      ) { call in
        if !call.request.isLoopback || call.request.apiKey != nil {
          _ = try await keys.authenticate(call.request, now: call.now)
        }
        return .text(
          200, await metrics.text(now: call.now), contentType: MetricsText.contentType)
      }
    ]
  }
}
