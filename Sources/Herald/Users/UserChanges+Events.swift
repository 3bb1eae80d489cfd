import Foundation
import JSON
import Postgres

extension UserChanges {
  /// Makes the changes that events bring with them, in the transaction that stores the events: of
  /// attributes, time zone and locale; identities are resolved before. One entry for each item, nil
  /// where it was done, else why not; such a fault leaves the user as they were.
  ///
  /// `others` are users whose rows the caller will write too: all are locked at once, in the order
  /// of their ids, so that two writers never wait for each other.
  static func apply(
    ofEvents items: [(user: ResolvedUser, change: UserChange)], locking others: [UUID], now: Date,
    in tx: Transaction
  ) throws -> [JSONFault?] {
    guard !items.isEmpty else { return [] }
    let needing = Set(items.lazy.filter { !$0.change.attributes.isPlain }.map(\.user.id))
    var sheet = AttributeSheet(
      try UserStore.lockAttributes(
        of: needing, locking: Set(others).union(items.map(\.user.id)), in: tx))
    var folded = FoldedChanges()
    let faults = items.map { user, change -> JSONFault? in
      var change = change
      if needing.contains(user.id) {
        do throws(JSONFault) {
          change.attributes = try sheet.apply(change.attributes, to: user.id)
        } catch {
          return error
        }
      }
      folded.add(change, to: user.id, from: user.origin)
      return nil
    }
    for round in folded.rounds {
      let rows = round.rows.filter(\.change.changesRow)
      let watch = try PartWatch(rows.map(\.id), in: tx)
      try UserStore.update(rows, now: now, in: tx)
      try watch.record(origins: round.origins, touched: round.touched, in: tx)
      try CatalogueStore.note(CatalogueTally(attributesOf: rows, at: now), in: tx)
    }
    return faults
  }
}
