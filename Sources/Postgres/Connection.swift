import CLibPQ
import Foundation

typealias Instant = ContinuousClock.Instant

/// One libpq connection in nonblocking mode. Confined to one thread at a time (it is not Sendable);
/// every wait has a deadline, at which the connection is given up, because no timeout of the server's
/// helps against a peer that has fallen silent.
final class Connection {
  /// How much longer than PostgreSQL's own statement timeout we wait for its answer.
  static let grace = Duration.milliseconds(500)

  /// `nil` once the connection is closed or lost.
  private(set) var handle: OpaquePointer?
  var statements = StatementCache()
  /// The limit of each statement, and of all statements of the call together if it set one.
  var limits: Limits
  /// The server still holds prepared statements that `statements` has forgotten.
  var hasStaleStatements = false
  /// When plans that any values may use were last thrown away; `nil` before the first time.
  var plansSince: Instant?
  /// What `statement_timeout` is in the session, so that it is set only when it changes.
  var sessionTimeout: Duration?
  /// A COPY is under way: nothing else can be run.
  var isCopying = false
  /// The latest refusal by the server in this call; tells a retryable failure that a body wrapped.
  var latestRefusal: PostgresError?

  struct Limits {
    var statement: Duration
    var call: Instant?
  }

  private init(handle: OpaquePointer, limits: Limits) {
    self.handle = handle
    self.limits = limits
  }

  deinit { close() }

  var isOpen: Bool { handle != nil }

  var transactionStatus: PGTransactionStatusType {
    handle.map { PQtransactionStatus($0) } ?? PQTRANS_UNKNOWN
  }

  /// Connects and prepares the session: UTF-8, UTC, statement timeout, the configured statements.
  static func open(
    _ configuration: PoolConfiguration, deadline: Instant
  ) throws(PostgresError) -> Connection {
    guard !configuration.url.utf8.contains(0) else {
      throw PostgresError(kind: .encoding, message: "the connection string contains a NUL")
    }
    let handle = start(configuration)
    guard let handle else {
      throw PostgresError(kind: .connectionLost, message: "out of memory")
    }
    let connection = Connection(
      handle: handle, limits: Limits(statement: configuration.connectTimeout, call: deadline))
    PQsetNoticeProcessor(handle, { _, _ in }, nil)
    try connection.finishConnecting(deadline: deadline)
    guard PQsetnonblocking(handle, 1) == 0 else { throw connection.lost() }
    let limit = configuration.statementTimeout
    // Many subqueries look dear to the planner; compiling them takes seconds where running takes less.
    try connection.runScript(
      "SET TimeZone = 'UTC'; SET jit = off; SET statement_timeout = \(limit.statementTimeout)")
    connection.sessionTimeout = limit
    for sql in configuration.onConnect { try connection.run(sql.unprepared()) }
    return connection
  }

  private static func start(_ configuration: PoolConfiguration) -> OpaquePointer? {
    configuration.url.withCString { url in
      configuration.applicationName.withCString { name in
        "UTF8".withCString { encoding in
          "dbname".withCString { dbname in
            "fallback_application_name".withCString { fallback in
              "client_encoding".withCString { clientEncoding in
                PQconnectStartParams(
                  [dbname, fallback, clientEncoding, nil], [url, name, encoding, nil], 1)
              }
            }
          }
        }
      }
    }
  }

  private func finishConnecting(deadline: Instant) throws(PostgresError) {
    guard PQstatus(handle) != CONNECTION_BAD else { throw lost() }
    var state = PGRES_POLLING_WRITING
    while state != PGRES_POLLING_OK {
      switch state {
      case PGRES_POLLING_READING: try wait(for: POLLIN, until: deadline)
      case PGRES_POLLING_WRITING: try wait(for: POLLOUT, until: deadline)
      default: throw lost()
      }
      state = PQconnectPoll(handle)
    }
  }

  /// Ends the connection; PostgreSQL rolls back what was open.
  func close() {
    guard let handle else { return }
    self.handle = nil
    PQfinish(handle)
  }

  /// Closes the connection and says why.
  func lost(sqlState: String? = nil) -> PostgresError {
    let text = handle.flatMap { PQerrorMessage($0) }.map { String(cString: $0) } ?? ""
    close()
    let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
    return PostgresError(
      kind: .connectionLost, sqlState: sqlState,
      message: trimmed.isEmpty ? "the connection to PostgreSQL was lost" : trimmed)
  }

  /// Whether the idle connection still stands; notices a server that has hung up, at the cost of one
  /// system call. A silent peer is noticed only by the next statement's deadline.
  func isAlive() -> Bool {
    guard let handle else { return false }
    var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
    if poll(&descriptor, 1, 0) != 0,
      PQconsumeInput(handle) == 0 || PQstatus(handle) != CONNECTION_OK
    {
      close()
      return false
    }
    // Parses what has come in between; a FATAL message is followed by the end of the stream.
    _ = PQisBusy(handle)
    if PQstatus(handle) != CONNECTION_OK { close() }
    return isOpen
  }

  /// Waits for the socket; at the deadline the connection is closed.
  func wait(for events: Int32, until deadline: Instant) throws(PostgresError) {
    guard let handle else { throw lost() }
    var descriptor = pollfd(
      fd: PQsocket(handle), events: Int16(truncatingIfNeeded: events), revents: 0)
    while true {
      let ready = poll(&descriptor, 1, deadline.millisecondsAhead)
      if ready > 0 { return }
      if ready < 0, errno != EINTR { throw lost() }
      if ready == 0, ContinuousClock.now >= deadline {
        close()
        throw PostgresError(kind: .timeout, message: "PostgreSQL did not answer in time")
      }
    }
  }
}

extension Instant {
  /// For poll(2): whole milliseconds until this instant, rounded up, at least 0.
  var millisecondsAhead: Int32 {
    Int32(clamping: max(0, (self - ContinuousClock.now).milliseconds(.up)))
  }
}

extension Duration {
  enum Rounding { case up, down }

  func milliseconds(_ rounding: Rounding = .down) -> Int64 {
    let (seconds, attoseconds) = components
    let whole = attoseconds / 1_000_000_000_000_000
    let extra: Int64 = rounding == .up && attoseconds % 1_000_000_000_000_000 > 0 ? 1 : 0
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    return overflow
      ? (seconds < 0 ? .min : .max) : scaled.addingReportingOverflow(whole + extra).partialValue
  }
}
