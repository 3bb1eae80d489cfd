import Cryptography
import Foundation
import JSON
import Postgres

/// Stores a batch of events in a transaction: de-duplicates, finds or makes their users, inserts,
/// tells the observers. A handful of statements whatever the size of the batch.
public struct EventIntake: Sendable {
  public let observers: [any EventObserver]
  private let schemas = EventSchemas()

  public init(observers: [any EventObserver] = []) { self.observers = observers }

  /// One outcome for each event, in order. Throws for what concerns the batch as a whole.
  public func store(
    _ events: [IncomingEvent], isLive: Bool, now: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    try tx.leavingOut(
      events, mayRefuse: events.contains { $0.event.change?.attributes.isPlain == false }
    ) {
      try storeAll($0, isLive: isLive, now: now, in: tx)
    }
  }

  /// Throws `Refusals` for changes that cannot be made.
  private func storeAll(
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
    let flagged = try schemas.inspect(events, &outcomes, in: tx)
    try checkTypes(events, &outcomes, in: tx)
    try removeDuplicates(events, &outcomes, now: now, in: tx)
    if !flagged.isEmpty {
      var tally = CatalogueTally()
      for index in flagged.keys where outcomes[index] == .accepted {
        tally.flag(event: events[index].event.name, at: events[index].timestamp)
      }
      try CatalogueStore.note(tally, in: tx)
    }
    let fresh = outcomes.indices.filter { outcomes[$0] == .accepted }
    guard !fresh.isEmpty else { return outcomes }
    let users = try users(of: fresh.map { events[$0].event }, now: now, in: tx)
    let subjects = zip(fresh, users).map { (index: $0, user: $1) }
    try changeUsers(subjects, events, now: now, in: tx)
    let ids = UUIDv7.next(fresh.count, now: now)
    let stored = fresh.indices.filter { outcomes[fresh[$0]] == .accepted }.map { place in
      let (index, user) = (fresh[place], users[place])
      let incoming = events[index]
      return (
        index: index,
        stored: StoredEvent(
          id: ids[place], user: user.id, origin: user.origin, name: incoming.event.name,
          timestamp: incoming.timestamp, receivedAt: incoming.receivedAt,
          properties: incoming.event.properties, context: incoming.event.context),
        source: incoming.source, messageID: incoming.event.messageID
      )
    }
    guard !stored.isEmpty else { return outcomes }
    // By the primary key's first column: neighbours in the index.
    let sorted = stored.sorted(byID: \.stored.user)
    try EventStore.insert(sorted.map { ($0.stored, $0.source, $0.messageID) }, in: tx)
    try EventStore.touchUsers(Self.seen(sorted.map(\.stored)), in: tx)
    try noteFlagged(stored.map { ($0.index, $0.stored) }, flagged, events, in: tx)
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

  private func noteFlagged(
    _ stored: [(index: Int, event: StoredEvent)], _ flagged: [Int: [JSONFault]],
    _ events: [IncomingEvent], in tx: Transaction
  ) throws {
    guard !flagged.isEmpty else { return }
    try ViolationStore.insert(
      stored.compactMap { index, event in
        flagged[index].map { Violation(event, $0, of: events[index]) }
      }, in: tx)
  }

  private func checkTypes(
    _ events: [IncomingEvent], _ outcomes: inout [EventOutcome], in tx: Transaction
  ) throws {
    let types = try AttributeStore.types(
      of: Set(events.lazy.flatMap { $0.event.change?.attributes.keys ?? [] }), in: tx)
    guard !types.isEmpty else { return }
    for (index, incoming) in events.enumerated() where outcomes[index] == .accepted {
      guard let change = incoming.event.change,
        let fault = types.faults(of: change.attributes).first
      else { continue }
      outcomes[index] = .refused(fault)
    }
  }

  private func removeDuplicates(
    _ events: [IncomingEvent], _ outcomes: inout [EventOutcome], now: Date, in tx: Transaction
  ) throws {
    var places: [UUID: Int] = [:]
    for (index, incoming) in events.enumerated() where outcomes[index] == .accepted {
      guard let key = incoming.key else { continue }
      if places[key] == nil { places[key] = index } else { outcomes[index] = .duplicate }
    }
    let fresh = try EventStore.insertKeys(places.keys.sorted(byID: \.self), seenOn: now, in: tx)
    for (key, index) in places where !fresh.contains(key) { outcomes[index] = .duplicate }
  }

  /// Carries out what the events change of their users.
  private func changeUsers(
    _ subjects: [(index: Int, user: ResolvedUser)], _ events: [IncomingEvent], now: Date,
    in tx: Transaction
  ) throws {
    let changes = subjects.compactMap { index, user in
      events[index].event.change.map { (index: index, user: user, change: $0) }
    }
    guard !changes.isEmpty else { return }
    let faults = try UserChanges.apply(
      ofEvents: changes.map { ($0.user, $0.change) }, locking: subjects.map(\.user.id), now: now,
      in: tx)
    var refusals = Refusals<EventOutcome>()
    for (change, fault) in zip(changes, faults) {
      if let fault { refusals.refuse(change.index, .refused(fault)) }
    }
    try refusals.check()
  }

  /// Under the identity lock: an id that was known above may have been merged away since.
  private func users(
    of events: [NewEvent], now: Date, in tx: Transaction
  ) throws -> [ResolvedUser] {
    let claims = events.map { event in
      switch event.user {
      case .id(let id): IdentityResolution.Claim(identities: [], target: id)
      case .identities(let identities):
        IdentityResolution.Claim(identities: identities, former: event.former)
      }
    }
    return try UserStore.resolveOrCreate(claims, now: now, in: tx)
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
