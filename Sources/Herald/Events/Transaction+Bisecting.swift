import Postgres

extension Transaction {
  /// Does `work` for all items at once; when PostgreSQL refuses some data, for halves and halves of
  /// halves, each under a savepoint, until only the items at fault are left out. One result for each
  /// item, in order.
  func bisecting<Item, Outcome>(
    _ items: [Item], _ work: ([Item]) throws -> [Outcome],
    refused: (Item, PostgresError) -> Outcome
  ) throws -> [Outcome] {
    guard !items.isEmpty else { return [] }
    do {
      return try savepoint { try work(items) }
    } catch let error as PostgresError where error.isDataFault {
      guard items.count > 1 else { return [refused(items[0], error)] }
      let middle = items.count / 2
      return try bisecting(Array(items[..<middle]), work, refused: refused)
        + bisecting(Array(items[middle...]), work, refused: refused)
    }
  }
}

extension PostgresError {
  /// The statement was refused for a value in it: classes 22 (data exception), 23 (integrity) and 54
  /// (limits), or it could not be sent. The same without that value may go through.
  var isDataFault: Bool {
    guard kind == .server, !isRetryable, let sqlState else { return kind == .encoding }
    return ["22", "23", "54"].contains { sqlState.hasPrefix($0) }
  }
}
