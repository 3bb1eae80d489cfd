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
    try await pool.read(timeout: timeout) { [form = IdentityForm.standard] db in
      try IdentityForm.$standard.withValue(form) { try body(db) }
    }
  }

  /// BEGIN … COMMIT. `body` may run again after a deadlock or serialisation failure.
  public func write<T: Sendable>(
    timeout: Duration? = nil, _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    let current = IdempotencyMark.current
    let mark = current?.takeFirstWrite() ?? false ? current : nil
    // What a task has bound does not reach the connection's thread by itself.
    return try await pool.write(timeout: timeout) { [form = IdentityForm.standard] tx in
      try mark?.leave(in: tx)
      return try IdentityForm.$standard.withValue(form) { try body(tx) }
    }
  }

  /// A REPEATABLE READ READ ONLY transaction, for answers made of several queries.
  public func snapshot<T: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    try await pool.snapshot(body)
  }
}
