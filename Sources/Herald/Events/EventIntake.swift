import Cryptography
import Foundation
import Postgres

/// Stores a batch of events in a transaction: de-duplicates, finds or makes their users, inserts,
/// tells the observers. A handful of statements whatever the size of the batch.
public struct EventIntake: Sendable {
  public let observers: [any EventObserver]

  public init(observers: [any EventObserver] = []) { self.observers = observers }

  /// One outcome for each event, in order. Throws for what concerns the batch as a whole.
  public func store(
    _ events: [IncomingEvent], isLive: Bool, now: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    var outcomes = [EventOutcome](repeating: .accepted, count: events.count)
    // Before the keys: a rejected event must not count as seen when it comes again, mended.
    let known = try knownUsers(events, in: tx)
    for (index, incoming) in events.enumerated() {
      if case .id(let id) = incoming.event.user, known[id] == nil {
        outcomes[index] = .rejected(
          code: "not_found", field: "user", detail: "There is no user with this id.")
      }
    }
    try removeDuplicates(events, &outcomes, now: now, in: tx)
    let fresh = outcomes.indices.filter { outcomes[$0] == .accepted }
    guard !fresh.isEmpty else { return outcomes }
    let users = try users(of: fresh.map { events[$0].event }, now: now, in: tx)
    let stored = zip(fresh, users).map { index, user in
      let incoming = events[index]
      return (
        stored: StoredEvent(
          id: UUIDv7.next(now: incoming.receivedAt), user: user.id, origin: user.origin,
          name: incoming.event.name, timestamp: incoming.timestamp,
          receivedAt: incoming.receivedAt, properties: incoming.event.properties),
        source: incoming.source, messageID: incoming.event.messageID
      )
    }
    // By the primary key's first column: neighbours in the index.
    let sorted = stored.sorted { $0.stored.user < $1.stored.user }
    try EventStore.insert(sorted, in: tx)
    try EventStore.touchUsers(Self.seen(sorted.map(\.stored)), in: tx)
    for observer in observers {
      try observer.observe(stored.map(\.stored), isLive: isLive, now: now, in: tx)
    }
    return outcomes
  }

  private func knownUsers(
    _ events: [IncomingEvent], in tx: Transaction
  ) throws -> [UUID: UUID] {
    let named = Set(
      events.compactMap { incoming in
        if case .id(let id) = incoming.event.user { id } else { nil }
      })
    return named.isEmpty ? [:] : try UserStore.standing(Array(named), in: tx)
  }

  private func removeDuplicates(
    _ events: [IncomingEvent], _ outcomes: inout [EventOutcome], now: Date, in tx: Transaction
  ) throws {
    var places: [UUID: Int] = [:]
    for (index, incoming) in events.enumerated() where outcomes[index] == .accepted {
      guard let key = incoming.key else { continue }
      if places[key] == nil { places[key] = index } else { outcomes[index] = .duplicate }
    }
    let fresh = try EventStore.insertKeys(places.keys.sorted(), seenOn: now, in: tx)
    for (key, index) in places where !fresh.contains(key) { outcomes[index] = .duplicate }
  }

  /// Under the identity lock: an id that was known above may have been merged away since.
  private func users(
    of events: [NewEvent], now: Date, in tx: Transaction
  ) throws -> [(id: UUID, origin: UUID?)] {
    let claims = events.map { event in
      switch event.user {
      case .id(let id): IdentityResolution.Claim(identities: [], target: id)
      case .identities(let identities): IdentityResolution.Claim(identities: identities)
      }
    }
    return try UserStore.resolveOrCreate(claims, now: now, in: tx).map { ($0.user, $0.origin) }
  }

  private static func seen(
    _ events: [StoredEvent]
  ) -> [(user: UUID, first: Date, last: Date)] {
    var seen: [UUID: (first: Date, last: Date)] = [:]
    for event in events {
      let known = seen[event.user] ?? (event.timestamp, event.timestamp)
      seen[event.user] = (min(known.first, event.timestamp), max(known.last, event.timestamp))
    }
    return seen.map { ($0, $1.first, $1.last) }
  }
}
