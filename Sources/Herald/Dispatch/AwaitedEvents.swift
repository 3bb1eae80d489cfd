import Foundation
import Postgres

/// Makes due what waits for an event that has just been stored.
public struct AwaitedEvents: EventObserver {
  /// Called after the commit when there was something.
  let wake: Wake

  public init(wake: Wake) { self.wake = wake }

  public func observe(
    _ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction
  ) throws {
    guard isLive else { return }
    let hastened = try QueueStore.hasten(
      awaiting: events.map { (user: $0.user, name: $0.name) }, now: now, in: tx)
    if hastened > 0 { tx.onCommit { [wake] in wake.call() } }
  }
}
