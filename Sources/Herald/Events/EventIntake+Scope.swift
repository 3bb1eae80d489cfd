import Foundation
import Postgres

extension EventIntake {
  private struct LeavesScope: Error {}

  /// As `store`, for a key that sees a part of the users only. An event of somebody outside, or one
  /// that would take in an identity of theirs, is refused as if they did not exist; one after which
  /// its user would lie outside is refused, and changes nothing.
  func store(
    _ events: [IncomingEvent], within caller: Caller, isLive: Bool, now: Date, in tx: Transaction
  ) throws -> [EventOutcome] {
    let owners = try owners(of: events, in: tx)
    let visible = try UserScope.visible(
      Array(Set(owners.joined())), to: caller, now: now, in: tx)
    var outcomes = [EventOutcome](
      repeating: .rejected(code: "not_found", field: "user", detail: "There is no such user."),
      count: events.count)
    let inside = events.indices.filter {
      !owners[$0].isEmpty && owners[$0].allSatisfy(visible.contains)
    }
    let stored = try keep(inside.map { events[$0] }, within: caller, isLive, now: now, in: tx)
    for (index, outcome) in zip(inside, stored) { outcomes[index] = outcome }
    return outcomes
  }

  /// All at once where nobody leaves, else halves and halves of halves, until only those are left out
  /// that would make somebody leave.
  private func keep(
    _ events: [IncomingEvent], within caller: Caller, _ isLive: Bool, now: Date,
    in tx: Transaction
  ) throws -> [EventOutcome] {
    guard !events.isEmpty else { return [] }
    do {
      return try tx.savepoint {
        let outcomes = try store(events, isLive: isLive, now: now, in: tx)
        let taken = zip(events, outcomes).filter { $1 == .accepted }.map(\.0)
        let users = Set(try owners(of: taken, in: tx).joined())
        guard
          try UserScope.visible(Array(users), to: caller, now: now, in: tx).isSuperset(of: users)
        else { throw LeavesScope() }
        return outcomes
      }
    } catch is LeavesScope {
      guard events.count > 1 else {
        return [
          .rejected(
            code: "forbidden", field: events[0].event.change == nil ? "user" : "attributes",
            detail: UserScope.leaving.message)
        ]
      }
      let middle = events.count / 2
      return try keep(Array(events[..<middle]), within: caller, isLive, now: now, in: tx)
        + keep(Array(events[middle...]), within: caller, isLive, now: now, in: tx)
    }
  }

  /// For each event the users known by what it names.
  private func owners(
    of events: [IncomingEvent], in tx: Transaction
  ) throws -> [Set<UUID>] {
    let refs = events.map(\.event.refs)
    var found = try UserStore.resolve(Array(refs.joined()), in: tx)[...]
    return refs.map { refs in
      defer { found = found.dropFirst(refs.count) }
      return Set(found.prefix(refs.count).compactMap { $0 })
    }
  }
}

extension NewEvent {
  /// All that it names somebody by.
  fileprivate var refs: [UserRef] {
    switch user {
    case .id(let id): [.id(id)]
    case .identities(let identities):
      (identities + (former.map { [$0.user, $0.visitor] } ?? [])).map(UserRef.identity)
    }
  }

  /// Whether it may do more than add itself to its user's history.
  var changesUser: Bool {
    guard change == nil, former == nil else { return true }
    return if case .identities(let identities) = user { identities.count > 1 } else { false }
  }
}
