import Foundation
import Postgres

enum HandoverMarkStore {
  /// The count after this move: higher than any before it.
  static func advance(in tx: Transaction) throws -> HandoverMark.Reading {
    try reading(
      tx.one(
        """
        UPDATE handover_mark SET n = n + 1, at = clock_timestamp() RETURNING installation, n
        """))
  }

  static func read(in db: any Queryable) throws -> HandoverMark.Reading {
    try reading(db.one("SELECT installation, n FROM handover_mark"))
  }

  /// Goes past what was counted before the restoration, other processes' counts included, which may
  /// be somewhat higher than `count`.
  static func restore(
    past count: Int, now: Date, in tx: Transaction
  ) throws -> HandoverMark.Reading {
    try reading(
      tx.one(
        """
        UPDATE handover_mark SET n = greatest(n, \(count)) + 1000, at = clock_timestamp(),
          restored_at = \(now)
        RETURNING installation, n
        """))
  }

  /// What is pending, and what the runs under way send from now on, may have been sent already.
  /// Returns how many deliveries that are.
  static func flag(in tx: Transaction) throws -> Int {
    try tx.execute("UPDATE runs SET restored = true WHERE state IN ('entering', 'running')")
    // The queue holds every delivery with work left; the ledger is found by its key.
    return try tx.execute(
      """
      UPDATE deliveries d SET possibly_duplicate = true FROM queue q
      WHERE d.user_id = q.user_id AND d.run_id = q.run_id AND d.entry_key = q.entry_key
        AND d.step_id = q.step_id AND d.occurrence = q.occurrence AND d.entered_at = q.entered_at
        AND NOT d.possibly_duplicate
      """)
  }

  static func adoptAudit(in tx: Transaction) throws {
    // The digest of an entry does not cover its transaction.
    try tx.execute(
      """
      UPDATE audit_entries SET xid = pg_current_xact_id() WHERE xid > pg_current_xact_id()
      """)
  }

  /// Outranks a stop by somebody, and remembers it in the reason.
  static func stop(now: Date, in tx: Transaction) throws {
    try tx.execute("LOCK TABLE stops IN EXCLUSIVE MODE")
    try tx.execute(
      """
      INSERT INTO stops AS s (scope, stopped_by, reason, at)
      VALUES ('all', 'herald', \(Restorations.reason), \(now))
      ON CONFLICT (scope) DO UPDATE SET stopped_by = 'herald', at = excluded.at,
        reason = excluded.reason || '; it was stopped before by ' || s.stopped_by
          || coalesce(': ' || s.reason, '')
      WHERE NOT (s.stopped_by = 'herald' AND starts_with(s.reason, excluded.reason))
      """)
  }

  private static func reading(_ row: Row?) throws -> HandoverMark.Reading {
    guard let row else {
      throw HeraldError(.unexpected, "The table handover_mark has lost its row.")
    }
    return HandoverMark.Reading(
      installation: try row.get("installation"), count: try row.get("n"))
  }
}
