import Foundation
import Postgres

/// Writes whose loss would cost a message its outcome: tried again while the database is away. What
/// they write must be refused when it was written already or the lease is gone.
struct Persistence: Sendable {
  let db: Database
  let stop: DispatchStop

  /// Longer than a restart of PostgreSQL takes.
  private static let limit = Duration.seconds(600)
  private static let pause = Duration.milliseconds(100)

  func write<T: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    try await attempt { try await db.dispatch(body) }
  }

  func attempt<T>(_ body: () async throws -> T) async throws -> T {
    let deadline = ContinuousClock.now + Self.limit
    while true {
      do {
        return try await body()
      } catch let error as PostgresError where error.isUnavailable {
        guard ContinuousClock.now < deadline, !stop.isOver else { throw error }
        try await Task.sleep(for: Self.pause)
      }
    }
  }
}
