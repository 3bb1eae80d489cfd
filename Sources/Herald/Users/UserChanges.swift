import Foundation
import JSON
import Postgres

/// Applies changes of many users in one transaction, with a handful of statements whatever their
/// number. A change that cannot be made is refused by itself; the others are made.
enum UserChanges {
  struct Item {
    let change: UserChange
    /// For a PATCH: the user it is for. The rows of such users must exist.
    var target: UUID?
    /// Where faults of this item point to.
    var pointer: JSONPointer = .root
  }

  enum Outcome: Sendable {
    case changed(UUID, created: Bool)
    case refused(HeraldError)
  }

  /// `source`: `api`, `import` or `manual`, as consents and tags record it.
  static func apply(
    _ items: [Item], source: String, by caller: Caller, now: Date, in tx: Transaction
  ) throws -> [Outcome] {
    let tagging = try UserTagging(items.map(\.change), by: caller, now: now, in: tx)
    let types = try AttributeStore.types(
      of: Set(items.lazy.flatMap(\.change.attributes.keys)), in: tx)
    let outside = try DeviceStore.outside(
      items.flatMap(\.change.devices), of: caller, now: now, in: tx)
    var outcomes = [Outcome?](repeating: nil, count: items.count)
    var changes: [(index: Int, change: UserChange)] = []
    for (index, item) in items.enumerated() {
      do {
        let change = types.reading(item.change)
        let faults = types.faults(of: change.attributes)
        guard faults.isEmpty else {
          let place = item.pointer.appending("attributes")
          throw HeraldError.invalid(faults.map { $0.inside(place) })
        }
        try DeviceStore.require(change.devices, notIn: outside)
        let place = item.pointer.appending("tags")
        changes.append((index, try tagging.checked(change, at: place)))
      } catch let error as HeraldError {
        outcomes[index] = .refused(error)
      }
    }
    let done = try tx.leavingOut(
      changes.map { (items[$0.index], $0.change) },
      mayRefuse: changes.contains { !$0.change.attributes.isPlain }
    ) {
      try make($0, tagging, source: source, by: caller, now: now, in: tx)
    }
    for ((index, _), outcome) in zip(changes, done) { outcomes[index] = outcome }
    return try outcomes.map { outcome in
      guard let outcome else { throw HeraldError(.unexpected, "A change was lost.") }
      return outcome
    }
  }

  /// Throws `Refusals` for operations that their attributes do not allow.
  private static func make(
    _ items: [(item: Item, change: UserChange)], _ tagging: UserTagging, source: String,
    by caller: Caller, now: Date, in tx: Transaction
  ) throws -> [Outcome] {
    let claims = items.map { item, change in
      IdentityResolution.Claim(identities: change.identities, target: item.target)
    }
    let claimed = try IdentityClaims.resolve(claims, .strict, by: caller, now: now, in: tx)
    var folded = FoldedChanges()
    var refusals = Refusals<Outcome>()
    var sheet = try sheet(claimed.results.map(\.outcome), items.map(\.change), in: tx)
    var outcomes: [Outcome] = []
    for (place, (result, (item, change))) in zip(claimed.results, items).enumerated() {
      switch result.outcome {
      case .user(let id, let isNew):
        outcomes.append(.changed(id, created: isNew))
        do throws(JSONFault) {
          var change = change
          if sheet != nil {
            change.attributes = try sheet?.apply(change.attributes, to: id) ?? change.attributes
          }
          folded.add(change, to: id, from: result.origin)
        } catch {
          let fault = error.inside(item.pointer.appending("attributes"))
          refusals.refuse(place, .refused(HeraldError.invalid([fault])))
        }
      case .conflict(let reason):
        let pointer = item.pointer.appending("identities").description
        outcomes.append(.refused(HeraldError(.identityConflict, reason, pointer: pointer)))
      }
    }
    try refusals.check()
    let created = Set(claimed.created)
    for (number, round) in folded.rounds.enumerated() {
      try write(
        round, created: number == 0 ? created : [], tagging, source: source, now: now, in: tx)
    }
    return outcomes
  }

  /// The attributes as they are, when some change needs to know them. Locks the users.
  private static func sheet(
    _ claimed: [IdentityResolution.Outcome], _ changes: [UserChange], in tx: Transaction
  ) throws -> AttributeSheet? {
    guard changes.contains(where: { !$0.attributes.isPlain }) else { return nil }
    let users = Set(
      claimed.compactMap { outcome in
        if case .user(let id, _) = outcome { id } else { nil }
      })
    return AttributeSheet(try UserStore.lockAttributes(of: users, locking: users, in: tx))
  }

  private static func write(
    _ round: FoldedChanges.Round, created: Set<UUID>, _ tagging: UserTagging, source: String,
    now: Date,
    in tx: Transaction
  ) throws {
    let rows = round.rows
    try UserStore.insert(rows.filter { created.contains($0.id) }, now: now, in: tx)
    let known = rows.filter { !created.contains($0.id) }
    if !known.isEmpty { try UserStore.lock(known.map(\.id), in: tx) }
    let watch = try PartWatch(known.map(\.id), in: tx)
    try UserStore.update(known.filter(\.change.changesRow), now: now, in: tx)
    try CatalogueStore.note(CatalogueTally(attributesOf: rows, at: now), in: tx)
    try tagging.write(rows.map { ($0.id, $0.change.tags) }, source: source, now: now, in: tx)
    try ConsentStore.set(
      rows.flatMap { row in
        row.change.consents.map {
          .init(user: row.id, subscription: $0.subscription, state: $0.state)
        }
      }, source: source, now: now, in: tx)
    try DeviceStore.register(
      rows.flatMap { row in row.change.devices.map { .init(user: row.id, device: $0) } }, now: now,
      in: tx)
    try watch.record(origins: round.origins, touched: round.touched, in: tx)
  }
}

/// The changes of each user in one: a statement may touch a row once only. What came in on another of
/// the users that one was comes after it, so that each part of a merged person gets its own.
struct FoldedChanges {
  struct Round {
    fileprivate(set) var changes: [UUID: UserChange] = [:]
    /// The users they came in on, of those that were merged.
    fileprivate(set) var origins: [UUID: UUID] = [:]

    /// In the order of the ids, as all writers of users go.
    var rows: [UserStore.RowChange] {
      changes.map { UserStore.RowChange(id: $0, change: $1) }.sorted { $0.id.text < $1.id.text }
    }

    /// What was set, though it may have been so before.
    var touched: [UUID: PartWatch.Touched] {
      changes.mapValues { change in
        PartWatch.Touched(
          attributes: Set(change.attributes.keys), tags: Set(change.tags.map(\.key)))
      }
    }
  }

  private(set) var rounds: [Round] = []
  /// The last round of each user.
  private var places: [UUID: Int] = [:]

  mutating func add(_ change: UserChange, to user: UUID, from origin: UUID?) {
    let last = places[user]
    if let last, rounds[last].origins[user] == origin {
      rounds[last].changes[user]?.append(change)
      return
    }
    let place = last.map { $0 + 1 } ?? 0
    if place == rounds.count { rounds.append(Round()) }
    places[user] = place
    rounds[place].changes[user] = change
    rounds[place].origins[user] = origin
  }
}

extension CatalogueTally {
  /// Of changes that were made plain.
  init(attributesOf rows: [UserStore.RowChange], at now: Date) {
    self.init()
    for row in rows {
      for (name, value) in row.change.attributes.plain { add(attribute: name, value, at: now) }
    }
  }
}

extension UserChange {
  var changesRow: Bool {
    !attributes.isEmpty || timeZone != .keep || locale != .keep
  }
}
