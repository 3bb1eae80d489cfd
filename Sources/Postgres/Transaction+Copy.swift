import CLibPQ
import Glibc

extension Transaction {
  /// Runs `COPY … FROM STDIN` with what `produce` writes. When `produce` throws, the COPY is refused and
  /// the transaction spoilt; the error is rethrown. `sql` takes no parameters, and PostgreSQL's
  /// statement timeout counts the whole COPY: give `Pool.write` a `timeout` that fits.
  public func copyIn(_ sql: SQL, _ produce: (inout CopyWriter) throws -> Void) throws {
    let isBinary = try startCopy(sql, status: PGRES_COPY_IN)
    defer { connection.isCopying = false }
    var writer = CopyWriter(isBinary: isBinary) { [connection] bytes throws(PostgresError) in
      try connection.putCopy(bytes)
    }
    do {
      try produce(&writer)
      try writer.finish()
    } catch {
      if connection.isOpen { connection.endCopy(refusing: "the producer of the rows failed") }
      throw error
    }
    let deadline = try connection.statementDeadline()
    try connection.endCopy(error: nil, until: deadline)
    try connection.collect(until: deadline)
  }

  /// Runs `COPY … TO STDOUT` and calls `row` with each line (its line feed included) or binary tuple.
  /// When `row` throws, the connection is closed and the error rethrown.
  public func copyOut(_ sql: SQL, _ row: ([UInt8]) throws -> Void) throws {
    _ = try startCopy(sql, status: PGRES_COPY_OUT)
    defer { connection.isCopying = false }
    do {
      while let bytes = try connection.getCopy() { try row(bytes) }
    } catch {
      connection.close()
      throw error
    }
    try connection.collect(until: connection.statementDeadline())
  }

  /// - Returns: whether the COPY is in binary format.
  private func startCopy(_ sql: SQL, status: ExecStatusType) throws(PostgresError) -> Bool {
    try checkOpen()
    guard sql.parameters.isEmpty, !sql.text.utf8.contains(0) else {
      throw PostgresError(kind: .encoding, message: "COPY takes no parameters")
    }
    let deadline = try connection.statementDeadline()
    try connection.send { PQsendQuery($0, sql.text) }
    try connection.flush(until: deadline)
    guard let result = try connection.nextResult(until: deadline) else { throw connection.lost() }
    if PQresultStatus(result.pointer) == status {
      connection.isCopying = true
      return PQbinaryTuples(result.pointer) == 1
    }
    throw try connection.refusal(result, until: deadline)
  }
}

extension Connection {
  /// Reads a request that did not become a COPY to its end and tells why.
  func refusal(
    _ result: ResultBox, until deadline: Instant
  ) throws(PostgresError) -> PostgresError {
    switch PQresultStatus(result.pointer) {
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
      try drain(until: deadline)
      return PostgresError(kind: .encoding, message: "the statement is not the COPY asked for")
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      close()
      return PostgresError(kind: .connectionLost, message: "a COPY in the other direction")
    default:
      let refusal = PostgresError(result)
      try drain(until: deadline)
      note(refusal)
      return refusal
    }
  }

  private func drain(until deadline: Instant) throws(PostgresError) {
    while try nextResult(until: deadline) != nil {}
    guard PQstatus(handle) == CONNECTION_OK else { throw lost() }
  }

  func putCopy(_ bytes: [UInt8]) throws(PostgresError) {
    let deadline = try statementDeadline()
    guard let length = Int32(exactly: bytes.count) else {
      throw PostgresError(kind: .encoding, message: "a chunk of COPY exceeds 2 GB")
    }
    try whenWritable(until: deadline) { handle in
      bytes.withUnsafeBytes {
        PQputCopyData(handle, $0.baseAddress?.assumingMemoryBound(to: CChar.self), length)
      }
    }
    try flush(until: deadline)
  }

  func endCopy(error: String?, until deadline: Instant) throws(PostgresError) {
    try whenWritable(until: deadline) { PQputCopyEnd($0, error) }
    isCopying = false
  }

  /// Makes PostgreSQL refuse the COPY; the connection is closed when that fails.
  func endCopy(refusing reason: String) {
    let deadline = ContinuousClock.now + .seconds(1)
    do throws(PostgresError) {
      try endCopy(error: reason, until: deadline)
      try flush(until: deadline)
      try drain(until: deadline)
    } catch {
      close()
    }
  }

  /// libpq answers 0 when its buffer is full, and then takes the same call again.
  private func whenWritable(
    until deadline: Instant, _ put: (OpaquePointer) -> Int32
  ) throws(PostgresError) {
    while let handle {
      switch put(handle) {
      case 1: return
      case 0: try flush(until: deadline)
      default: throw lost()
      }
    }
    throw lost()
  }

  /// The next row of a COPY TO, `nil` at its end.
  func getCopy() throws(PostgresError) -> [UInt8]? {
    let deadline = try statementDeadline()
    while let handle {
      var buffer: UnsafeMutablePointer<CChar>?
      let length = PQgetCopyData(handle, &buffer, 1)
      if length > 0, let buffer {
        defer { PQfreemem(buffer) }
        return [UInt8](UnsafeRawBufferPointer(start: buffer, count: Int(length)))
      }
      switch length {
      case 0:
        try wait(for: POLLIN, until: deadline)
        guard PQconsumeInput(handle) == 1 else { throw lost() }
      case -1:
        isCopying = false
        return nil
      default: throw lost()
      }
    }
    throw lost()
  }
}
