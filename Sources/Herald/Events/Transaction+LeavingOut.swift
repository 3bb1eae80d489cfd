import Postgres

/// Which of the items that were tried together cannot be done, by place, with what to say of them.
struct Refusals<Outcome: Sendable>: Error {
  private(set) var outcomes: [Int: Outcome] = [:]

  mutating func refuse(_ place: Int, _ outcome: Outcome) { outcomes[place] = outcome }

  /// Throws when there are any.
  func check() throws {
    if !outcomes.isEmpty { throw self }
  }
}

extension Transaction {
  /// Does `work` for all items at once. Where it throws `Refusals`, all that it did is undone and it is
  /// done again without those: nothing of a refused item stays, not even that somebody was merged for
  /// it. One result for each item, in order. `mayRefuse`: false spares the savepoint.
  func leavingOut<Item, Outcome: Sendable>(
    _ items: [Item], mayRefuse: Bool, _ work: ([Item]) throws -> [Outcome]
  ) throws -> [Outcome] {
    guard mayRefuse else { return try work(items) }
    var outcomes = [Outcome?](repeating: nil, count: items.count)
    while true {
      let left = items.indices.filter { outcomes[$0] == nil }
      do {
        let done = try savepoint { try work(left.map { items[$0] }) }
        for (place, outcome) in zip(left, done) { outcomes[place] = outcome }
        return outcomes.compactMap { $0 }
      } catch let refusals as Refusals<Outcome> {
        for (place, outcome) in refusals.outcomes { outcomes[left[place]] = outcome }
      }
    }
  }
}
