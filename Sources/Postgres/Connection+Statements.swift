import CLibPQ

/// Statements with parameters, by the extended protocol, results in binary.
extension Connection {
  @discardableResult
  func run(_ sql: SQL) throws(PostgresError) -> Rows {
    let deadline = try statementDeadline()
    let text = sql.text
    guard !text.utf8.contains(0) else {
      throw PostgresError(kind: .encoding, message: "a statement contains a NUL character")
    }
    let parameters = try EncodedParameters(sql.parameters)
    guard sql.isPrepared else {
      return try runUnprepared(text, parameters, deadline: deadline)
    }
    let key = StatementCache.Key(text: text, types: parameters.types)
    let name = try preparedName(for: key, deadline: deadline)
    do throws(PostgresError) {
      try send { handle in
        parameters.withPointers { values, lengths, formats in
          PQsendQueryPrepared(handle, name, parameters.count, values, lengths, formats, 1)
        }
      }
      return Rows(try collect(until: deadline))
    } catch {
      guard error.isStalePlan else { throw error }
      // Where one plan is stale, others are: the schema has changed.
      statements.removeAll()
      hasStaleStatements = true
      // In a transaction the failure has spoilt it; the pool runs it again from its start.
      guard transactionStatus == PQTRANS_IDLE else { throw error }
      return try runUnprepared(text, parameters, deadline: deadline)
    }
  }

  /// Deallocates statements that were forgotten; between calls, because a spoilt transaction refuses it.
  /// - Returns: whether the connection can be used.
  func discardStaleStatements() -> Bool {
    guard hasStaleStatements else { return true }
    do throws(PostgresError) {
      try runScript("DEALLOCATE ALL")
      statements.removeAll()
      hasStaleStatements = false
      return true
    } catch {
      close()
      return false
    }
  }

  private func runUnprepared(
    _ text: String, _ parameters: EncodedParameters, deadline: Instant
  ) throws(PostgresError) -> Rows {
    try send { handle in
      parameters.withPointers { values, lengths, formats in
        PQsendQueryParams(
          handle, text, parameters.count, parameters.types, values, lengths, formats, 1)
      }
    }
    return Rows(try collect(until: deadline))
  }

  private func preparedName(
    for key: StatementCache.Key, deadline: Instant
  ) throws(PostgresError) -> String {
    if let name = statements.name(for: key) { return name }
    if let overdue = statements.overdue {
      try send { PQsendQuery($0, "DEALLOCATE \(overdue.name)") }
      try collect(until: deadline)
      statements.remove(overdue.key)
    }
    let name = statements.freshName()
    try send {
      PQsendPrepare($0, name, key.text, Int32(truncatingIfNeeded: key.types.count), key.types)
    }
    try collect(until: deadline)
    statements.insert(key, name: name)
    return name
  }
}

/// Parameters as libpq takes them: one buffer, and for each parameter its place in it.
struct EncodedParameters {
  /// The protocol counts parameters in 16 bits.
  static let limit = 65_535

  let types: [UInt32]
  let lengths: [Int32]
  let formats: [Int32]
  /// `nil` is NULL.
  let offsets: [Int?]
  let bytes: [UInt8]

  init(_ parameters: [SQLParameter]) throws(PostgresError) {
    guard parameters.count <= Self.limit else {
      throw PostgresError(
        kind: .encoding,
        message: "\(parameters.count) parameters; a statement takes \(Self.limit) at most")
    }
    var lengths: [Int32] = []
    var offsets: [Int?] = []
    var bytes: [UInt8] = []
    lengths.reserveCapacity(parameters.count)
    offsets.reserveCapacity(parameters.count)
    bytes.reserveCapacity(parameters.count * 17)
    for parameter in parameters {
      let start = bytes.count
      try parameter.append(to: &bytes)
      guard let length = Int32(exactly: bytes.count - start) else {
        throw PostgresError(kind: .encoding, message: "a parameter exceeds 2 GB")
      }
      lengths.append(length)
      offsets.append(parameter.isNull ? nil : start)
      // Text-format values are read up to their NUL.
      bytes.append(0)
    }
    types = parameters.map(\.type.oid)
    formats = parameters.map { $0.isTextFormat ? 0 : 1 }
    self.lengths = lengths
    self.offsets = offsets
    self.bytes = bytes
  }

  var count: Int32 { Int32(truncatingIfNeeded: types.count) }

  func withPointers<R>(
    _ body: ([UnsafePointer<CChar>?], [Int32], [Int32]) -> R
  ) -> R {
    bytes.withUnsafeBytes { buffer in
      let start = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = offsets.map { offset in offset.flatMap { start?.advanced(by: $0) } }
      return body(values, lengths, formats)
    }
  }
}
