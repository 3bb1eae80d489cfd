import Foundation
import Postgres

/// Makes due what waits for an event that has just been stored.
public struct AwaitedEvents: EventObserver {
  /// Called when there was something; what it is may be committed a moment later.
  let wake: Wake

  public init(wake: Wake) { self.wake = wake }

  public func observe(
    _ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction
  ) throws {
    guard isLive else { return }
    let hastened = try QueueStore.hasten(
      awaiting: events.map { (user: $0.user, name: $0.name) }, now: now, in: tx)
    if hastened > 0 { wake.call() }
  }
}
