import Foundation
import Postgres

/// Notes what events look like in the transaction that stores them, as one row for the whole batch.
struct CatalogueObserver: EventObserver {
  func observe(_ events: [StoredEvent], isLive: Bool, now: Date, in tx: Transaction) throws {
    var tally = CatalogueTally()
    for event in events {
      tally.add(event: event.name, at: event.timestamp, properties: event.properties)
    }
    try CatalogueStore.note(tally, in: tx)
  }
}
