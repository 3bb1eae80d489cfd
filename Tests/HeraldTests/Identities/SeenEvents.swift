import Foundation
import Postgres
import Synchronization

@testable import Herald

/// Remembers which events were told as having happened.
final class SeenEvents: EventObserver {
  private let seen = Mutex<[String]>([])

  var names: [String] { seen.withLock { $0 } }

  func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws {
    seen.withLock { $0 += events.map(\.name) }
  }
}
