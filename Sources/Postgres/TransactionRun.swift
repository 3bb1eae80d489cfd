import Glibc

/// One call of `Pool.write`: BEGIN, the body, COMMIT, and all of it again where PostgreSQL asks for it.
struct TransactionRun {
  static let retries = 5

  let slot: ConnectionSlot
  let begin: String
  let timeout: Duration?

  func run<T>(_ body: (Transaction) throws -> T) throws -> T {
    let deadline = timeout.map { ContinuousClock.now + $0.boundedForClocks }
    var retry = 0
    while true {
      let connection = try open(until: deadline)
      let transaction = Transaction(on: connection)
      do {
        let value = try body(transaction)
        try transaction.commit()
        return value
      } catch {
        let isRetryable = shouldRetry(error, on: connection)
        transaction.rollback()
        guard isRetryable, retry < Self.retries else { throw error }
        let pause = Duration.microseconds(Int.random(in: 500...(4_000 << retry)))
        if let deadline, ContinuousClock.now + pause >= deadline { throw error }
        usleep(UInt32(clamping: pause.milliseconds(.up) * 1000))
        retry += 1
      }
    }
  }

  /// Also when the body wrapped PostgreSQL's refusal in an error of its own, or lost it there.
  private func shouldRetry(_ error: any Error, on connection: Connection) -> Bool {
    guard connection.isOpen else { return false }
    if let error = error as? PostgresError, error.isRetryable { return true }
    return connection.latestRefusal?.isRetryable == true
  }

  /// A connection with an open transaction. A pooled connection that turns out to be dead at BEGIN is
  /// replaced once: nothing has been done on it.
  private func open(until deadline: Instant?) throws(PostgresError) -> Connection {
    let (connection, isNew) = try slot.connect(timeout: try remaining(until: deadline))
    do throws(PostgresError) {
      try connection.begin(begin)
      return connection
    } catch {
      guard !isNew, error.kind == .connectionLost else { throw error }
    }
    let (fresh, _) = try slot.connect(timeout: try remaining(until: deadline))
    try fresh.begin(begin)
    return fresh
  }

  private func remaining(until deadline: Instant?) throws(PostgresError) -> Duration? {
    guard let deadline else { return nil }
    let left = deadline - ContinuousClock.now
    guard left > .zero else {
      throw PostgresError(kind: .timeout, message: "the time of this call is used up")
    }
    return left
  }
}

extension Connection {
  /// Opens the transaction and sets its statement timeout in the same round trip.
  func begin(_ statement: String) throws(PostgresError) {
    let limit = limits.statement.statementTimeout
    try runScript(
      sessionTimeout == limits.statement
        ? statement : "\(statement); SET LOCAL statement_timeout = \(limit)")
  }

  /// Sets `statement_timeout` for the session when it differs from this call's limit.
  func applySessionTimeout() throws(PostgresError) {
    guard sessionTimeout != limits.statement else { return }
    try runScript("SET statement_timeout = \(limits.statement.statementTimeout)")
    sessionTimeout = limits.statement
  }
}

extension Duration {
  /// Milliseconds as `statement_timeout` takes them, where 0 would mean none.
  var statementTimeout: Int64 { min(max(1, milliseconds(.up)), Int64(Int32.max)) }
}
