import Logging
import Synchronization

/// Connections to one database, each with its own thread.
///
/// A call's body runs on the connection's thread: blocking there is right, awaiting is impossible, so
/// that no transaction stays open across a slow peer. Connections are made when needed; the pool can
/// be created while the server is down. Callers are served in the order of their arrival; a cancelled
/// caller gives up its place, but a body that has begun runs to its end.
public final class Pool: Sendable {
  private let core: PoolCore

  public init(_ configuration: PoolConfiguration, logger: Logger) {
    core = PoolCore(configuration, logger: logger)
  }

  deinit { core.shutDown() }

  public var configuration: PoolConfiguration { core.configuration }
  public var statistics: PoolStatistics { core.statistics }

  /// Runs statements in autocommit: for a single read, which needs no BEGIN and COMMIT.
  /// - Parameter timeout: limits waiting, connecting, and then all statements of the call together,
  ///   in place of the configuration's limits; may exceed the configured statement timeout.
  public func read<T: Sendable>(
    timeout: Duration? = nil, _ body: @escaping @Sendable (any Queryable) throws -> T
  ) async throws -> T {
    try await perform(timeout: timeout) { slot in
      let (connection, _) = try slot.connect(timeout: timeout)
      try connection.applySessionTimeout()
      let session = Autocommit(on: connection)
      defer { session.isEnded = true }
      return try body(session)
    }
  }

  /// Runs `body` in a transaction and commits it. When `body` throws, the transaction is rolled back
  /// and the error rethrown. After a serialization failure or deadlock the body runs again, up to five
  /// times: it must have no effects but on the database (see `Transaction.onCommit`).
  ///
  /// Throws `.outcomeUnknown` when the connection was lost between COMMIT and its answer.
  /// - Parameter timeout: as for `read`.
  public func write<T: Sendable>(
    isolation: Isolation = .readCommitted, timeout: Duration? = nil,
    _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    let begin = "BEGIN ISOLATION LEVEL \(isolation.rawValue)"
    return try await transact(begin: begin, timeout: timeout, body)
  }

  /// Runs `body` in a read-only transaction that sees one state of the database throughout.
  public func snapshot<T: Sendable>(
    timeout: Duration? = nil, _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    return try await transact(begin: begin, timeout: timeout, body)
  }

  /// Refuses whoever waits, lets running bodies finish, and returns when all threads have ended.
  public func close() async {
    core.shutDown()
    await core.waitForThreads()
  }

  private func transact<T: Sendable>(
    begin: String, timeout: Duration?, _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    try await perform(timeout: timeout) { slot in
      try TransactionRun(slot: slot, begin: begin, timeout: timeout).run(body)
    }
  }

  private func perform<T: Sendable>(
    timeout: Duration?, _ work: @escaping @Sendable (ConnectionSlot) throws -> T
  ) async throws -> T {
    let id = core.newID()
    let isCancelled = Atomic(false)
    let patience = min(
      core.configuration.acquireTimeout, timeout?.boundedForClocks ?? .seconds(100_000_000))
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let request = PoolRequest(
          id: id, deadline: .now + patience,
          run: { slot in
            let result = Result { try work(slot) }
            return { continuation.resume(with: result) }
          },
          fail: { continuation.resume(throwing: $0) })
        core.submit(request) { !isCancelled.load(ordering: .acquiring) }
      }
    } onCancel: {
      isCancelled.store(true, ordering: .releasing)
      core.cancel(id)
    }
  }
}

/// A connection outside transactions; each statement commits by itself.
final class Autocommit: Queryable {
  private let connection: Connection
  var isEnded = false

  init(on connection: Connection) { self.connection = connection }

  @discardableResult
  func query(_ sql: SQL) throws(PostgresError) -> Rows {
    guard !isEnded else {
      throw PostgresError(kind: .encoding, message: "used after the call has ended")
    }
    return try connection.run(sql)
  }
}
