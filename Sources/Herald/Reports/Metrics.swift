import Foundation
import Postgres
import Synchronization

/// The figures of /metrics. What comes from rows is read at most every five seconds, however many
/// scrape.
public final class Metrics: Sendable {
  fileprivate struct Snapshot: Sendable {
    let queue: MetricsStore.Queue
    let oldestDue: Date?
    let senders: [MetricsStore.SenderState]
    let stops: [String]
    let at: Date
  }

  private let db: Database
  private let version: String
  private let http: HTTPMetrics
  private let deliveries: DeliveryMetrics
  private let cache = Mutex<(snapshot: Snapshot, until: ContinuousClock.Instant)?>(nil)

  static let cacheFor = Duration.seconds(5)

  public init(
    db: Database, version: String, http: HTTPMetrics = HTTPMetrics(),
    deliveries: DeliveryMetrics = DeliveryMetrics()
  ) {
    self.db = db
    self.version = version
    self.http = http
    self.deliveries = deliveries
  }

  /// Without the database the process's own figures are there still, and `herald_database_up` is 0.
  func text(now: Date) async -> String {
    let snapshot = try? await snapshot(now: now)
    var text = MetricsText()
    text.family("herald_build_info", .gauge, "The version.", [.init(1, ["version": version])])
    text.family(
      "herald_database_up", .gauge, "Whether the database answers.",
      [.init(snapshot == nil ? 0 : 1)])
    if let snapshot { snapshot.write(to: &text) }
    pool(&text)
    deliveries.write(to: &text)
    http.write(to: &text)
    return text.text
  }

  private func snapshot(now: Date) async throws -> Snapshot {
    if let known = cache.withLock({ $0 }), known.until > .now { return known.snapshot }
    let fresh = try await db.pool.read(timeout: .seconds(5)) { db in
      Snapshot(
        queue: try MetricsStore.queue(now: now, in: db),
        oldestDue: try MetricsStore.oldestDue(now: now, in: db),
        senders: try MetricsStore.senders(in: db), stops: try StopStore.list(in: db).map(\.scope),
        at: now)
    }
    cache.withLock { $0 = (fresh, .now + Self.cacheFor) }
    return fresh
  }

  private func pool(_ text: inout MetricsText) {
    let pool = db.pool.statistics
    text.family(
      "herald_pool_connections", .gauge, "Connections of this process to the database.",
      [.init(pool.open - pool.idle, ["state": "busy"]), .init(pool.idle, ["state": "idle"])])
    text.family("herald_pool_size", .gauge, "Most connections it may have.", [.init(pool.size)])
    text.family(
      "herald_pool_waiting", .gauge, "Work that waits for a connection.", [.init(pool.waiting)])
    text.family(
      "herald_pool_acquire_timeouts_total", .counter, "Work that waited in vain.",
      [.init(pool.acquireTimeouts)])
    text.family(
      "herald_pool_reconnects_total", .counter, "Connections made anew after a loss.",
      [.init(pool.reconnects)])
  }
}

extension Metrics.Snapshot {
  fileprivate func write(to text: inout MetricsText) {
    text.family(
      "herald_queue_depth", .gauge, "Deliveries that are pending, by what they wait for.",
      [
        .init(queue.due, ["state": "due"]), .init(queue.leased, ["state": "leased"]),
        .init(queue.later, ["state": "later"]), .init(queue.parked, ["state": "parked"]),
      ])
    text.family(
      "herald_queue_oldest_pending_seconds", .gauge, "How long the oldest due work has been due.",
      [.init(oldestDue.map { max(0, at.timeIntervalSince($0)) } ?? 0)])
    text.family(
      "herald_sender_state", .gauge, "1 at the state a sender is in.",
      senders.flatMap { sender in
        Sender.State.allCases.map { state in
          .init(
            sender.state == state.rawValue ? 1 : 0,
            ["sender": sender.key, "channel": sender.channel, "state": state.rawValue])
        }
      })
    text.family(
      "herald_stopped", .gauge, "1 for each scope the kill switch holds.",
      stops.map { .init(1, ["scope": $0]) })
  }
}
