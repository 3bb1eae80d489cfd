import HTTP
import Synchronization

/// Requests answered by this process since it started. Fed by the server's access log.
public final class HTTPMetrics: Sendable {
  private struct Key: Hashable {
    let method: String
    let route: String
    let status: Int
  }

  fileprivate struct Timing {
    var buckets = [Int](repeating: 0, count: HTTPMetrics.bounds.count)
    var sum = 0.0
    var count = 0
  }

  private struct State {
    var requests: [Key: Int] = [:]
    var timings: [String: Timing] = [:]
  }

  /// Upper bounds of the buckets, in seconds.
  static let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

  private let state = Mutex(State())

  public init() {}

  /// For `ServerConfiguration.accessLog`: a lock held for two additions. Labels are route patterns,
  /// so there are only so many.
  public func record(_ entry: AccessEntry) {
    record(entry.method, entry.pattern, status: entry.status, duration: entry.duration)
  }

  func record(_ method: HTTPMethod?, _ pattern: String?, status: Int, duration: Duration) {
    let route = pattern ?? "none"
    let key = Key(method: method?.rawValue ?? "none", route: route, status: status)
    let parts = duration.components
    let seconds = Double(parts.seconds) + Double(parts.attoseconds) / 1e18
    state.withLock { state in
      state.requests[key, default: 0] += 1
      state.timings[route, default: Timing()].add(seconds)
    }
  }

  func write(to text: inout MetricsText) {
    let (requests, timings) = state.withLock { ($0.requests, $0.timings) }
    text.family(
      "herald_http_requests_total", .counter, "Requests answered by this process.",
      requests.map { key, count in
        .init(
          count, ["method": key.method, "route": key.route, "status": String(key.status)])
      }.sorted { $0.order < $1.order })
    text.family(
      "herald_http_request_duration_seconds", .histogram,
      "From the complete header to the last byte of the answer.",
      timings.sorted { $0.key < $1.key }.flatMap { $0.value.samples(route: $0.key) })
  }
}

extension HTTPMetrics.Timing {
  fileprivate mutating func add(_ seconds: Double) {
    for (index, bound) in HTTPMetrics.bounds.enumerated() where seconds <= bound {
      buckets[index] += 1
    }
    sum += seconds
    count += 1
  }

  fileprivate func samples(route: String) -> [MetricsText.Sample] {
    let bounds = zip(HTTPMetrics.bounds, buckets).map { bound, count in
      MetricsText.Sample(
        count, ["route": route, "le": MetricsText.number(bound)], suffix: "_bucket")
    }
    return bounds + [
      .init(count, ["route": route, "le": "+Inf"], suffix: "_bucket"),
      .init(sum, ["route": route], suffix: "_sum"),
      .init(count, ["route": route], suffix: "_count"),
    ]
  }
}

extension MetricsText.Sample {
  fileprivate var order: String { labels.map(\.value).joined(separator: " ") }
}
