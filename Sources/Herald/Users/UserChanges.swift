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
    var outcomes = [Outcome?](repeating: nil, count: items.count)
    var changes: [(index: Int, change: UserChange)] = []
    for (index, item) in items.enumerated() {
      do {
        let place = item.pointer.appending("tags")
        changes.append((index, try tagging.checked(item.change, at: place)))
      } catch let error as HeraldError {
        outcomes[index] = .refused(error)
      }
    }
    let claims = changes.map { index, change in
      IdentityResolution.Claim(identities: change.identities, target: items[index].target)
    }
    let claimed = try IdentityClaims.resolve(claims, .strict, by: caller, now: now, in: tx)
    var folded = FoldedChanges()
    for (result, (index, change)) in zip(claimed.results, changes) {
      switch result.outcome {
      case .user(let id, let isNew):
        outcomes[index] = .changed(id, created: isNew)
        folded.add(change, to: id, from: result.origin)
      case .conflict(let reason):
        let pointer = items[index].pointer.appending("identities").description
        outcomes[index] = .refused(HeraldError(.identityConflict, reason, pointer: pointer))
      }
    }
    try write(folded, created: claimed.created, tagging, source: source, now: now, in: tx)
    return try outcomes.map { outcome in
      guard let outcome else { throw HeraldError(.unexpected, "A change was lost.") }
      return outcome
    }
  }

  private static func write(
    _ folded: FoldedChanges, created: [UUID], _ tagging: UserTagging, source: String, now: Date,
    in tx: Transaction
  ) throws {
    let created = Set(created)
    let rows = folded.changes.map { UserStore.RowChange(id: $0, change: $1) }
      .sorted { $0.id.text < $1.id.text }
    try UserStore.insert(rows.filter { created.contains($0.id) }, now: now, in: tx)
    let known = rows.filter { !created.contains($0.id) }
    if !known.isEmpty { try UserStore.lock(known.map(\.id), in: tx) }
    let watch = try PartWatch(known.map(\.id), in: tx)
    try UserStore.update(known.filter(\.change.changesRow), now: now, in: tx)
    try tagging.write(rows.map { ($0.id, $0.change.tags) }, source: source, now: now, in: tx)
    try ConsentStore.set(
      rows.flatMap { row in
        row.change.consents.map { .init(user: row.id, channel: $0.channel, state: $0.state) }
      }, source: source, now: now, in: tx)
    try DeviceStore.register(
      rows.flatMap { row in row.change.devices.map { .init(user: row.id, device: $0) } }, now: now,
      in: tx)
    try watch.record(origins: folded.origins, in: tx)
  }
}

/// The changes of each user in one: a statement may touch a row once only.
private struct FoldedChanges {
  private(set) var changes: [UUID: UserChange] = [:]
  /// The users they came in on, of those that were merged; the last one where there are several.
  private(set) var origins: [UUID: UUID] = [:]

  mutating func add(_ change: UserChange, to user: UUID, from origin: UUID?) {
    origins[user] = origin
    if changes[user] == nil { changes[user] = change } else { changes[user]?.append(change) }
  }
}

extension UserChange {
  fileprivate var changesRow: Bool {
    !attributes.isEmpty || timeZone != .keep || locale != .keep
  }
}
