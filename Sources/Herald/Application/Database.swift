import Foundation
import Postgres

/// The pool as use cases see it: a write that runs for a request with an Idempotency-Key also
/// leaves that key's mark, in the same transaction, so that the effect happens once.
public struct Database: Sendable {
  public let pool: Pool

  public init(pool: Pool) { self.pool = pool }

  /// One autocommitted statement or several independent reads.
  public func read<T: Sendable>(
    timeout: Duration? = nil, _ body: @escaping @Sendable (any Queryable) throws -> T
  ) async throws -> T {
    try await pool.read(timeout: timeout, body)
  }

  /// BEGIN … COMMIT. `body` may run again after a deadlock or serialisation failure.
  public func write<T: Sendable>(
    timeout: Duration? = nil, _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    guard let mark = IdempotencyMark.current, mark.takeFirstWrite() else {
      return try await pool.write(timeout: timeout, body)
    }
    return try await pool.write(timeout: timeout) { tx in
      try mark.leave(in: tx)
      return try body(tx)
    }
  }

  /// A REPEATABLE READ READ ONLY transaction, for answers made of several queries.
  public func snapshot<T: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    try await pool.snapshot(body)
  }
}
