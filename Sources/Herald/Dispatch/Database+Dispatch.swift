import Postgres

extension Database {
  /// A transaction over the queue and the ledger, planned as `Transaction.lookUpByKey` says.
  ///
  /// It locks what a stop or a pause waits for. A process that stands still in the middle of it is cut
  /// off before whoever stops gives up; it finds its connection lost when it goes on.
  func dispatch<T: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws -> T
  ) async throws -> T {
    try await pool.write { tx in
      try tx.lookUpByKey()
      try tx.execute(script: "SET LOCAL idle_in_transaction_session_timeout = '5s'")
      return try body(tx)
    }
  }
}

extension Transaction {
  /// For statements that name rows by key, a batch at a time, in tables that grow by a million rows in
  /// a minute: neither a plan that a connection kept from when a table was nearly empty may be used,
  /// nor one that scans a table because nobody has analysed it yet. So only indexes and nested loops
  /// are left to choose from, and plans are a second old at most. Making them anew for each batch cost
  /// more than running them.
  func lookUpByKey() throws {
    try reusePlans()
    try execute(
      script: """
        SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
        SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off
        """)
  }
}
