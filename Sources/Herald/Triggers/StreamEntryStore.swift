import Postgres

/// Counts who enters a version one by one, for `limits.audience`.
enum StreamEntryStore {
  /// How many may enter still. Others who enter people into this version wait until the end of the
  /// transaction.
  static func room(_ plan: String, _ version: Int, limit: Int, in tx: Transaction) throws -> Int {
    func find() throws -> Int? {
      try tx.one(
        """
        SELECT n FROM stream_entries
        WHERE plan = \(plan) AND plan_version = \(version)::integer FOR UPDATE
        """)?.get("n")
    }
    if let entered = try find() { return max(0, limit - entered) }
    try tx.execute(
      """
      INSERT INTO stream_entries (plan, plan_version) VALUES (\(plan), \(version)::integer)
      ON CONFLICT DO NOTHING
      """)
    return max(0, limit - (try find() ?? 0))
  }

  static func add(_ entered: Int, _ plan: String, _ version: Int, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE stream_entries SET n = n + \(entered)
      WHERE plan = \(plan) AND plan_version = \(version)::integer
      """)
  }
}
