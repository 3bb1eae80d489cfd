import Foundation
import Postgres

/// Fills in where people without a zone of their own are taken to be by their telephone number: those
/// who were there before the column was, and those whom a merge has changed.
struct UserZones: Sendable {
  let db: Database

  /// Rows of one transaction.
  static let chunk = 2000

  /// Goes on until nobody is left, or for about so long: other chores wait.
  func fill(for time: Duration) async throws {
    let end = ContinuousClock.now + time
    while ContinuousClock.now < end, try await fill() == Self.chunk {}
  }

  private func fill() async throws -> Int {
    try await db.write { tx in
      let users = try UserZoneStore.lockUnknown(limit: Self.chunk, in: tx)
      try UserZoneStore.refresh(users, in: tx)
      return users.count
    }
  }
}
