import CLibPQ
import Glibc

/// One request and its results.
extension Connection {
  /// When the statement that starts now is given up.
  func statementDeadline() throws(PostgresError) -> Instant {
    let now = ContinuousClock.now
    guard let call = limits.call else { return now + limits.statement + Self.grace }
    guard now < call else {
      throw PostgresError(kind: .timeout, message: "the time of this call is used up")
    }
    return min(now + limits.statement, call) + Self.grace
  }

  /// Runs statements separated by semicolons by the simple protocol.
  /// - Returns: the last result.
  @discardableResult
  func runScript(_ script: String) throws(PostgresError) -> ResultBox {
    guard !script.utf8.contains(0) else {
      throw PostgresError(kind: .encoding, message: "a statement contains a NUL character")
    }
    let deadline = try statementDeadline()
    try send { PQsendQuery($0, script) }
    return try collect(until: deadline)
  }

  /// Hands a command to libpq. It refuses (without touching the wire) when the connection is busy.
  func send(_ command: (OpaquePointer) -> Int32) throws(PostgresError) {
    guard !isCopying else {
      throw PostgresError(kind: .encoding, message: "a COPY is under way on this connection")
    }
    guard let handle else {
      throw PostgresError(kind: .connectionLost, message: "the connection to PostgreSQL was lost")
    }
    guard command(handle) == 1 else { throw lost() }
  }

  /// Writes all that is queued, reading meanwhile so that neither side blocks on the other.
  func flush(until deadline: Instant) throws(PostgresError) {
    while true {
      guard let handle else { throw lost() }
      switch PQflush(handle) {
      case 0: return
      case 1:
        try wait(for: POLLIN | POLLOUT, until: deadline)
        // A failure shows in the results that the caller reads next.
        if PQconsumeInput(handle) == 0 { return }
      default: return
      }
    }
  }

  /// The next result of the request; `nil` at its end. A broken connection comes as a failed result.
  func nextResult(until deadline: Instant) throws(PostgresError) -> ResultBox? {
    guard let handle else { throw lost() }
    while PQisBusy(handle) != 0, PQstatus(handle) == CONNECTION_OK {
      try wait(for: POLLIN, until: deadline)
      if PQconsumeInput(handle) == 0 { break }
    }
    return PQgetResult(handle).map(ResultBox.init)
  }

  /// Reads the request to its end.
  /// - Returns: the last result; throws the first error.
  @discardableResult
  func collect(until deadline: Instant) throws(PostgresError) -> ResultBox {
    try flush(until: deadline)
    var last: ResultBox?
    var failure: PostgresError?
    while let result = try nextResult(until: deadline) {
      switch PQresultStatus(result.pointer) {
      case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: last = result
      case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
        close()
        throw PostgresError(kind: .connectionLost, message: "COPY needs copyIn or copyOut")
      default: failure = failure ?? PostgresError(result)
      }
    }
    if PQstatus(handle) != CONNECTION_OK {
      var error = lost(sqlState: failure?.sqlState)
      if let failure { error.message = failure.message }
      throw error
    }
    if let failure {
      note(failure)
      throw failure
    }
    guard let last else { throw lost() }
    return last
  }
}

extension Connection {
  /// Remembers why the server refused; "the transaction is aborted" (25P02) is not the reason.
  func note(_ refusal: PostgresError) {
    if refusal.sqlState != "25P02" || latestRefusal == nil { latestRefusal = refusal }
  }
}

extension PostgresError {
  /// From a failed result: the primary message and names, without DETAIL.
  init(_ result: ResultBox) {
    func field(_ code: UnicodeScalar) -> String? {
      PQresultErrorField(result.pointer, Int32(code.value)).map { String(cString: $0) }
    }
    let sqlState = field("C")
    var message = field("M") ?? "PostgreSQL refused the statement"
    // Data exceptions quote the value at the end: invalid input syntax for type integer: "…".
    if sqlState?.hasPrefix("22") == true, let quote = message.firstRange(of: ": \"") {
      message = String(message[..<quote.lowerBound])
    }
    self.init(
      kind: sqlState == "57014" ? .timeout : .server, sqlState: sqlState, constraint: field("n"),
      table: field("t"), message: message)
  }
}
