import Synchronization

/// Deliveries settled by this process since it started; Prometheus adds the processes up. Counting
/// them in the ledger at every scrape would mean reading all of it.
public final class DeliveryMetrics: Sendable {
  private struct Key: Hashable {
    let channel: String
    let status: String
  }

  private let counts = Mutex<[Key: Int]>([:])

  public init() {}

  /// To be called when the settlement is committed.
  public func settled(channel: Channel?, _ status: DeliveryStatus, count: Int = 1) {
    let key = Key(channel: channel?.rawValue ?? "none", status: status.rawValue)
    counts.withLock { $0[key, default: 0] += count }
  }

  func write(to text: inout MetricsText) {
    let counts = counts.withLock { $0 }
    text.family(
      "herald_deliveries_total", .counter, "Deliveries settled by this process.",
      counts.sorted { ($0.key.channel, $0.key.status) < ($1.key.channel, $1.key.status) }.map {
        .init($0.value, ["channel": $0.key.channel, "status": $0.key.status])
      })
  }
}
