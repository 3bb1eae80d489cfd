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
      let outcomes = try store(mapped, of: source, receivedAt: delivery.receivedAt, in: tx)
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
    _ mapped: [MappedItem], of source: Source, receivedAt: Date, in tx: Transaction
  ) throws -> [ItemOutcome] {
    let good = mapped.compactMap { item in
      if case .event(let event) = item { event } else { nil }
    }
    var stored = try tx.bisecting(
      good,
      { try storeBatch($0, of: source, receivedAt: receivedAt, in: tx) },
      refused: { event, error in
        .rejected(code: "unstorable", field: "", detail: "It was refused: \(error.message)")
      })[...]
    return mapped.map { item in
      switch item {
      case .ignored: .ignored
      case .faulty(let faults): .dead(faults.map(\.json))
      case .event: ItemOutcome(stored.popFirst())
      }
    }
  }

  private func storeBatch(
    _ mapped: [MappedEvent], of source: Source, receivedAt: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    var outcomes = [EventOutcome](repeating: .accepted, count: mapped.count)
    let withEvent = mapped.indices.filter { mapped[$0].event != nil }
    let incoming = withEvent.compactMap { index in
      mapped[index].event.map {
        IncomingEvent($0, source: source.eventSource, receivedAt: receivedAt)
      }
    }
    let stored = try events.store(incoming, isLive: source.isLive, now: receivedAt, in: tx)
    for (index, outcome) in zip(withEvent, stored) { outcomes[index] = outcome }
    try removeDuplicates(mapped, &outcomes, of: source, now: receivedAt, in: tx)
    let changed = mapped.indices.filter {
      outcomes[$0] == .accepted && (!mapped[$0].attributes.isEmpty || mapped[$0].event == nil)
    }
    try change(changed.map { mapped[$0] }, now: receivedAt, in: tx)
    return outcomes
  }

  /// Of items without an event: those with one were looked at with it.
  private func removeDuplicates(
    _ mapped: [MappedEvent], _ outcomes: inout [EventOutcome], of source: Source, now: Date,
    in tx: Transaction
  ) throws {
    var places: [UUID: Int] = [:]
    for (index, item) in mapped.enumerated() where item.event == nil {
      guard let id = item.messageID else { continue }
      let key = Self.key(of: "attributes\u{0}\(id)", source)
      if places[key] == nil { places[key] = index } else { outcomes[index] = .duplicate }
    }
    let fresh = try EventStore.insertKeys(places.keys.sorted(), seenOn: now, in: tx)
    for (key, index) in places where !fresh.contains(key) { outcomes[index] = .duplicate }
  }

  private func change(_ mapped: [MappedEvent], now: Date, in tx: Transaction) throws {
    guard !mapped.isEmpty else { return }
    let users = try UserStore.resolveOrCreate(mapped.map(\.identities), now: now, in: tx)
    let items = zip(users, mapped).map { user, item in
      var change = UserChange()
      for (key, value) in item.attributes { change.attributes.set(key, value) }
      return UserChanges.Item(change: change, target: user)
    }
    _ = try UserChanges.apply(items, source: "api", by: .herald, now: now, in: tx)
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
