import CLibPQ

extension Transaction {
  /// Reads a large result in batches of `size` rows through a server-side cursor, so that memory stays
  /// constant. The body may run other statements of this transaction. The time limit holds for each
  /// batch, the call's `timeout` for all.
  public func forEachBatch(
    _ sql: SQL, size: Int, _ body: (Rows) throws -> Void
  ) throws {
    try checkOpen()
    cursors += 1
    let name = "batch\(cursors)"
    let declaration: SQL = "DECLARE \(identifier: name) NO SCROLL CURSOR FOR \(sql)"
    try connection.run(declaration.unprepared())
    let fetch = SQL(stringLiteral: "FETCH FORWARD \(max(1, size)) FROM \(name)").unprepared()
    do {
      while true {
        let rows = try query(fetch)
        if rows.isEmpty { break }
        try body(rows)
        if rows.count < size { break }
      }
    } catch {
      if connection.transactionStatus == PQTRANS_INTRANS { closeCursor(name) }
      throw error
    }
    try connection.runScript("CLOSE \(name)")
  }

  /// Gives the cursor's snapshot and files back early; the transaction's end would do it too.
  private func closeCursor(_ name: String) {
    do throws(PostgresError) { try connection.runScript("CLOSE \(name)") } catch {}
  }
}
