import HTTP
import JSON

enum MetricsRoutes {
  /// For a key of any role, or from this machine without a forwarding header.
  static func endpoint(_ metrics: Metrics, keys: Keys) -> Endpoint {
    Endpoint(
      .get, "/metrics", .open,
      Operation(
        "getMetrics",
        "Prometheus' text format. Needs a key of any role, unless asked from this machine.",
        tag: "System", responses: [200: Schema.string],
        responseType: "text/plain; version=0.0.4", errors: [.unauthorized, .throttled])
    ) { call in
      if !call.request.isLoopback {
        _ = try await keys.authenticate(call.request, now: call.now)
      }
      return .text(
        200, await metrics.text(now: call.now),
        contentType: "text/plain; version=0.0.4; charset=utf-8")
    }
  }
}
