import Cryptography
import Foundation
import JSON
import Postgres

/// One request or page on its way in.
struct SourceDelivery: Sendable {
  enum Content: Sendable {
    case items([ForeignItem])
    /// No JSON, or without items where they should be.
    case unreadable([UInt8], MappingFault)
  }

  let source: Source
  /// Of the request, when its sender names it; the same id again is the same request.
  let deliveryID: String?
  let headers: JSONObject
  let content: Content
  let receivedAt: Date

  var count: Int { if case .items(let items) = content { items.count } else { 1 } }
}

/// What became of one item.
enum ItemOutcome: Sendable {
  case accepted, duplicate, ignored
  /// Never empty.
  case dead([JSONValue])
}

/// Stores what items become: events, attributes of their users, dead letters, all in one transaction.
struct SourceIntake: Sendable {
  let events: EventIntake

  /// Maps and stores. A request whose id was seen before changes nothing.
  func take(_ delivery: SourceDelivery, now: Date, in tx: Transaction) throws -> SourceTally {
    if let id = delivery.deliveryID {
      let key = Self.key(of: id, delivery.source)
      if try EventStore.insertKeys([key], seenOn: now, in: tx).isEmpty {
        return SourceTally(duplicates: delivery.count)
      }
    }
    switch delivery.content {
    case .unreadable(let body, let fault):
      let letter = DeadLetter(delivery, index: 0, faults: [fault.json], body: body)
      try DeadLetterStore.insert([letter], in: tx)
      return SourceTally(deadLetters: 1)
    case .items(let items):
      let source = delivery.source
      let mapped = items.map {
        source.mapping.map($0, deliveryID: delivery.deliveryID, now: now)
      }
      let outcomes = try store(
        mapped.map { ($0, delivery.receivedAt) }, of: source, now: now, in: tx)
      let letters = zip(items, outcomes).compactMap { item, outcome -> DeadLetter? in
        guard case .dead(let faults) = outcome else { return nil }
        return DeadLetter(delivery, index: item.index, faults: faults, body: item.value.bytes)
      }
      try DeadLetterStore.insert(letters, in: tx)
      return SourceTally(outcomes)
    }
  }

  /// One outcome for each item, in order; nothing is put among the dead letters here. An event and the
  /// attributes that came with it are stored together or not at all.
  func store(
    _ mapped: [(item: MappedItem, receivedAt: Date)], of source: Source, now: Date,
    in tx: Transaction
  ) throws -> [ItemOutcome] {
    let good = mapped.compactMap { item, receivedAt -> (event: MappedEvent, receivedAt: Date)? in
      guard case .event(let event) = item else { return nil }
      return (event, receivedAt)
    }
    var stored = try tx.bisecting(
      good, { try storeBatch($0, of: source, now: now, in: tx) },
      refused: { event, error in
        .rejected(code: "unstorable", field: "", detail: "It was refused: \(error.message)")
      })[...]
    return mapped.map { item, _ in
      switch item {
      case .ignored: .ignored
      case .faulty(let faults): .dead(faults.map(\.json))
      case .event: ItemOutcome(stored.popFirst())
      }
    }
  }

  private func storeBatch(
    _ mapped: [(event: MappedEvent, receivedAt: Date)], of source: Source, now: Date,
    in tx: Transaction
  ) throws -> [EventOutcome] {
    var outcomes = [EventOutcome](repeating: .accepted, count: mapped.count)
    let withEvent = mapped.indices.filter { mapped[$0].event.event != nil }
    let incoming = withEvent.compactMap { index in
      mapped[index].event.event.map {
        IncomingEvent($0, source: source.eventSource, receivedAt: mapped[index].receivedAt)
      }
    }
    let stored = try events.store(incoming, isLive: source.isLive, now: now, in: tx)
    for (index, outcome) in zip(withEvent, stored) { outcomes[index] = outcome }
    let bare = mapped.indices.filter { mapped[$0].event.event == nil }
    let results = try change(bare.map { mapped[$0].event }, of: source, now: now, in: tx)
    for (index, outcome) in zip(bare, results) { outcomes[index] = outcome }
    return outcomes
  }

  /// Items without an event: they only change attributes.
  private func change(
    _ mapped: [MappedEvent], of source: Source, now: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    try tx.leavingOut(mapped, mayRefuse: !mapped.isEmpty) {
      try changeAll($0, of: source, now: now, in: tx)
    }
  }

  /// Throws `Refusals` for changes that cannot be made.
  private func changeAll(
    _ mapped: [MappedEvent], of source: Source, now: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    var outcomes = [EventOutcome](repeating: .accepted, count: mapped.count)
    var places: [UUID: Int] = [:]
    for (index, item) in mapped.enumerated() {
      guard let id = item.messageID else { continue }
      let key = Self.key(of: "attributes\u{0}\(id)", source)
      if places[key] == nil { places[key] = index } else { outcomes[index] = .duplicate }
    }
    let fresh = try EventStore.insertKeys(places.keys.sorted(), seenOn: now, in: tx)
    for (key, index) in places where !fresh.contains(key) { outcomes[index] = .duplicate }
    let types = try AttributeStore.types(
      of: Set(mapped.lazy.flatMap(\.attributes.keys)), in: tx)
    for (index, item) in mapped.enumerated() where outcomes[index] == .accepted {
      if let fault = types.faults(of: item.attributes).first { outcomes[index] = .refused(fault) }
    }
    let accepted = mapped.indices.filter { outcomes[$0] == .accepted }
    let claims = accepted.map { IdentityResolution.Claim(identities: mapped[$0].identities) }
    let users = try UserStore.resolveOrCreate(claims, now: now, in: tx)
    let changes = zip(users, accepted).compactMap { user, index in
      UserChange(mapped[index].attributes).map { (index: index, user: user, change: $0) }
    }
    let faults = try UserChanges.apply(
      ofEvents: changes.map { ($0.user, $0.change) }, locking: [], now: now, in: tx)
    var refusals = Refusals<EventOutcome>()
    for (change, fault) in zip(changes, faults) {
      if let fault { refusals.refuse(change.index, .refused(fault)) }
    }
    try refusals.check()
    // Mended, they may come again.
    try EventStore.deleteKeys(
      places.filter { if case .rejected = outcomes[$1] { true } else { false } }.keys.sorted(),
      in: tx)
    return outcomes
  }

  /// Apart from the message ids of events, which are another space.
  private static func key(of id: String, _ source: Source) -> UUID {
    let hash = SHA256.hash("delivery:\(source.key)\u{0}\(id)".utf8)
    return UUID(prefixOf: hash) ?? UUIDv7.next()
  }
}

extension DeadLetter {
  fileprivate init(
    _ delivery: SourceDelivery, index: Int, faults: [JSONValue], body: [UInt8]
  ) {
    self.init(
      source: delivery.source.key, id: UUIDv7.next(now: delivery.receivedAt),
      receivedAt: delivery.receivedAt, index: index, deliveryID: delivery.deliveryID,
      faults: faults, headers: delivery.headers, body: body)
  }
}

extension ItemOutcome {
  fileprivate init(_ outcome: EventOutcome?) {
    switch outcome {
    case .accepted: self = .accepted
    case .duplicate: self = .duplicate
    case .rejected(let code, let field, let detail):
      self = .dead([
        [
          "code": .string(code), "pointer": "",
          "field": .string(field.isEmpty ? "" : "/mapping/\(field)"), "detail": .string(detail),
        ]
      ])
    case nil:
      self = .dead([
        ["code": "lost", "pointer": "", "field": "", "detail": "It was lost inside Herald."]
      ])
    }
  }
}

extension SourceTally {
  init(_ outcomes: [ItemOutcome]) {
    for outcome in outcomes {
      switch outcome {
      case .accepted: accepted += 1
      case .duplicate: duplicates += 1
      case .ignored: ignored += 1
      case .dead: deadLetters += 1
      }
    }
  }
}
