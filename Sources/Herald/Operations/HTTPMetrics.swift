import Foundation
import HTTP
import Synchronization

/// Requests answered by this process, by route. Patterns come from the route table, so that the
/// number of series is bounded and no path shows.
final class HTTPMetrics: Sendable {
  struct Key: Hashable, Comparable {
    let route: String
    let method: String
    let status: Int

    static func < (left: Key, right: Key) -> Bool {
      (left.route, left.method, left.status) < (right.route, right.method, right.status)
    }
  }

  struct Durations: Equatable {
    /// By upper bound, each bucket by itself; the last one is beyond all bounds.
    var buckets = [Int](repeating: 0, count: HTTPMetrics.bounds.count + 1)
    var sum = 0.0

    var count: Int { buckets.reduce(0, +) }
  }

  /// Upper bounds of the duration buckets, in seconds.
  static let bounds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
  ]

  private let durations = Mutex<[Key: Durations]>([:])
  private let server = Mutex<(@Sendable () -> ServerStatistics?)?>(nil)

  /// Runs on the connection's queue.
  func record(_ entry: AccessEntry) {
    record(entry.method, entry.pattern, status: entry.status, duration: entry.duration)
  }

  func record(_ method: HTTPMethod?, _ pattern: String?, status: Int, duration: Duration) {
    let seconds = duration.inSeconds
    let key = Key(route: pattern ?? "", method: method?.rawValue ?? "", status: status)
    let bucket = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
    durations.withLock { durations in
      durations[key, default: Durations()].buckets[bucket] += 1
      durations[key, default: Durations()].sum += seconds
    }
  }

  /// Takes the connection counts of `server` from now on; does not keep it alive.
  func watch(_ server: Server) {
    self.server.withLock { $0 = { [weak server] in server?.statistics } }
  }

  var requests: [(key: Key, durations: Durations)] {
    durations.withLock { $0 }.sorted { $0.key < $1.key }.map { (key: $0.key, durations: $0.value) }
  }

  var connections: ServerStatistics? { server.withLock { $0 }?() }
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
