import CLibPQ
import Logging

/// A worker thread's place for a connection: makes it when needed and replaces it when it has broken.
/// Confined to its thread.
final class ConnectionSlot {
  private let configuration: PoolConfiguration
  private let counts: ConnectionCounts
  private var connection: Connection?
  private var hadConnection = false

  init(_ configuration: PoolConfiguration, counts: ConnectionCounts) {
    self.configuration = configuration
    self.counts = counts
  }

  /// A connection that stands as far as can be seen, set up for a call with the given limit.
  /// - Returns: the connection, and whether it was made just now.
  func connect(timeout: Duration?) throws(PostgresError) -> (connection: Connection, isNew: Bool) {
    let timeout = timeout.map(\.boundedForClocks)
    let limits = Connection.Limits(
      statement: timeout ?? configuration.statementTimeout,
      call: timeout.map { ContinuousClock.now + $0 })
    if let connection, connection.isAlive() {
      connection.limits = limits
      connection.latestRefusal = nil
      if connection.discardStaleStatements() { return (connection, false) }
    }
    disconnect()
    var patience = configuration.connectTimeout
    if let timeout { patience = min(patience, timeout) }
    let made: Connection
    do throws(PostgresError) {
      made = try Connection.open(configuration, deadline: ContinuousClock.now + patience)
    } catch {
      counts.failed(error)
      // A deadline while connecting is no statement's timeout.
      throw error.kind == .timeout
        ? PostgresError(kind: .connectionLost, message: "no connection to PostgreSQL in time")
        : error
    }
    counts.opened(isReplacement: hadConnection)
    hadConnection = true
    made.limits = limits
    connection = made
    return (made, true)
  }

  /// After each call: forgets a connection that was lost in it, and one that is in a state nobody
  /// can continue from.
  func tidy() {
    guard let connection else { return }
    if connection.isOpen, connection.transactionStatus != PQTRANS_IDLE { connection.rollback() }
    if !connection.isOpen { disconnect() }
  }

  func disconnect() {
    guard let connection else { return }
    connection.close()
    self.connection = nil
    counts.closed()
  }
}
