import CLibPQ

/// An open transaction. Lives inside the closure of `Pool.write` or `Pool.snapshot`; used after it,
/// every call throws.
public final class Transaction: Queryable {
  let connection: Connection
  private(set) var isEnded = false
  private var actions: [@Sendable () -> Void] = []
  private var savepoints = 0
  var cursors = 0

  init(on connection: Connection) { self.connection = connection }

  @discardableResult
  public func query(_ sql: SQL) throws(PostgresError) -> Rows {
    try checkOpen()
    return try connection.run(sql)
  }

  /// Runs several statements, separated by semicolons, without parameters. For migrations and tests.
  public func execute(script: String) throws(PostgresError) {
    try checkOpen()
    try connection.runScript(script)
  }

  /// Lets prepared statements use one plan for any values, from here to the end of the transaction. The
  /// connection keeps such plans for `age` and then has them made anew, so that tables may grow fast:
  /// PostgreSQL itself keeps a plan until statistics change.
  public func reusePlans(for age: Duration = .seconds(1)) throws(PostgresError) {
    try checkOpen()
    let now = Instant.now
    if connection.plansSince.map({ now - $0 > age }) ?? true {
      try connection.runScript("DISCARD PLANS")
      connection.plansSince = now
    }
    try connection.runScript("SET LOCAL plan_cache_mode = force_generic_plan")
  }

  /// Runs `body`, and when it throws undoes what it did (its `onCommit` actions too) and rethrows; the
  /// transaction goes on either way.
  public func savepoint<T>(_ body: () throws -> T) throws -> T {
    try checkOpen()
    savepoints += 1
    let name = "sp\(savepoints)"
    let registered = actions.count
    try connection.runScript("SAVEPOINT \(name)")
    do {
      let value = try body()
      try connection.runScript("RELEASE SAVEPOINT \(name)")
      return value
    } catch {
      actions.removeSubrange(registered...)
      if connection.isOpen {
        try connection.runScript("ROLLBACK TO SAVEPOINT \(name); RELEASE SAVEPOINT \(name)")
      }
      throw error
    }
  }

  /// Runs `action` on the connection's thread after a successful COMMIT, before `Pool.write` returns.
  /// It must be quick; it is dropped when the transaction or its savepoint is rolled back.
  public func onCommit(_ action: @Sendable @escaping () -> Void) {
    actions.append(action)
  }

  func checkOpen() throws(PostgresError) {
    guard !isEnded else {
      throw PostgresError(kind: .encoding, message: "the transaction has ended")
    }
  }
}

extension Transaction {
  /// Sends COMMIT. Throws `.outcomeUnknown` when it was sent and no answer came.
  func commit() throws(PostgresError) {
    isEnded = true
    switch connection.transactionStatus {
    case PQTRANS_INTRANS: break
    case PQTRANS_INERROR:
      throw connection.latestRefusal
        ?? PostgresError(
          kind: .server, sqlState: "25P02", message: "a failed statement spoilt the transaction")
    case PQTRANS_IDLE:
      throw PostgresError(
        kind: .server, sqlState: "25P01", message: "the body ended its transaction itself")
    default: throw connection.lost()
    }
    try connection.commit()
    for action in actions { action() }
  }

  /// Rolls back; a connection that cannot is closed, which rolls back as well.
  func rollback() {
    isEnded = true
    guard connection.isOpen, connection.transactionStatus != PQTRANS_IDLE else { return }
    connection.rollback()
  }
}

extension Connection {
  /// COMMIT by the simple protocol, where its answer is sent after the commit: an answer that came is
  /// a commit, even when the connection breaks right behind it.
  func commit() throws(PostgresError) {
    let deadline: Instant
    do throws(PostgresError) { deadline = try statementDeadline() } catch {
      rollback()
      throw error
    }
    try send { PQsendQuery($0, "COMMIT") }
    do throws(PostgresError) {
      try flush(until: deadline)
      guard let answer = try nextResult(until: deadline) else { throw lost() }
      if PQresultStatus(answer.pointer) == PGRES_COMMAND_OK {
        try confirm(answer, until: deadline)
        return
      }
      let refusal = PostgresError(answer)
      _ = try nextResult(until: deadline)
      guard PQstatus(handle) == CONNECTION_OK else { throw lost(sqlState: refusal.sqlState) }
      note(refusal)
      throw refusal
    } catch {
      guard !isOpen else { throw error }
      throw PostgresError(
        kind: .outcomeUnknown, sqlState: error.sqlState,
        message: "no answer to COMMIT: \(error.message)")
    }
  }

  private func confirm(_ answer: ResultBox, until deadline: Instant) throws(PostgresError) {
    let tag = PQcmdStatus(answer.pointer).map { String(cString: $0) }
    do throws(PostgresError) { _ = try nextResult(until: deadline) } catch { close() }
    if isOpen, PQstatus(handle) != CONNECTION_OK { close() }
    guard tag == "COMMIT" else {
      throw PostgresError(
        kind: .server, sqlState: "25P02", message: "PostgreSQL rolled the transaction back")
    }
  }

  /// ROLLBACK with a short deadline of its own; closes the connection when it fails.
  func rollback() {
    guard let handle else { return }
    let deadline = ContinuousClock.now + .seconds(1)
    do throws(PostgresError) {
      guard !isCopying, PQsendQuery(handle, "ROLLBACK") == 1 else { throw lost() }
      try collect(until: deadline)
    } catch {
      close()
    }
  }
}
