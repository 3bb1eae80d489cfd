import Foundation
import JSON
import Postgres

/// Where pulls stand. Lease time is the database's clock, everything else is business time.
enum PullStore {
  /// Makes the row of a source that is pulled, or brings it in line with a changed document: a run under
  /// way ends, since its pages may mean something else now.
  static func arm(
    _ source: String, keepsCursor: Bool, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO source_pulls AS p (source, next_at) VALUES (\(source), \(now))
      ON CONFLICT (source) DO UPDATE SET next_at = excluded.next_at, lease = NULL,
        leased_until = NULL, progress = NULL, failures = 0, error = NULL, error_at = NULL,
        cursor = CASE WHEN \(keepsCursor) THEN p.cursor END
      """)
  }

  static func remove(_ source: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM source_pulls WHERE source = \(source)")
  }

  static func find(_ sources: [String], in db: any Queryable) throws -> [String: PullState] {
    guard !sources.isEmpty else { return [:] }
    var found: [String: PullState] = [:]
    for row in try db.query(
      """
      SELECT source, next_at, coalesce(leased_until > clock_timestamp(), false) AS is_running,
        cursor, progress, last_run, failures, error, error_at
      FROM source_pulls WHERE source = ANY(\(sources))
      """)
    {
      found[try row.get("source")] = try PullState(row)
    }
    return found
  }

  /// To be pulled at once. False when the source is not pulled.
  static func makeDue(_ source: String, now: Date, in tx: Transaction) throws -> Bool {
    try tx.execute(
      "UPDATE source_pulls SET next_at = \(now), failures = 0 WHERE source = \(source)") == 1
  }

  /// Takes the source that has been due for longest and that nobody pulls.
  static func claim(
    lease: UUID, seconds: Double, now: Date, in tx: Transaction
  ) throws -> String? {
    try tx.one(
      """
      UPDATE source_pulls SET lease = \(lease),
        leased_until = clock_timestamp() + make_interval(secs => \(seconds))
      WHERE source = (
        SELECT p.source FROM source_pulls p JOIN sources s ON s.key = p.source
        WHERE p.next_at <= \(now) AND s.archived_at IS NULL
          AND (p.leased_until IS NULL OR p.leased_until < clock_timestamp())
        ORDER BY p.next_at, p.source LIMIT 1 FOR UPDATE OF p SKIP LOCKED)
      RETURNING source
      """)?.get("source")
  }

  /// The state, locked, as long as `lease` still holds it; nil when another process has taken over or the
  /// source was changed.
  static func hold(_ source: String, lease: UUID, in tx: Transaction) throws -> PullState? {
    try tx.one(
      """
      SELECT next_at, true AS is_running, cursor, progress, last_run, failures, error, error_at
      FROM source_pulls WHERE source = \(source) AND lease = \(lease) FOR UPDATE
      """
    ).map(PullState.init)
  }

  /// A page was stored; the run goes on.
  static func advance(
    _ source: String, to progress: PullProgress, leaseSeconds: Double, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE source_pulls SET progress = \(JSONB(progress.json)), failures = 0, error = NULL,
        error_at = NULL, leased_until = clock_timestamp() + make_interval(secs => \(leaseSeconds))
      WHERE source = \(source)
      """)
  }

  /// The last page was stored.
  static func finish(
    _ source: String, _ progress: PullProgress, cursor: JSONValue?, nextAt: Date, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE source_pulls SET progress = NULL, cursor = \(cursor.map { JSONB($0) }), failures = 0,
        error = NULL, error_at = NULL, last_run = \(JSONB(progress.summary(endedAt: now))),
        next_at = \(nextAt), lease = NULL, leased_until = NULL
      WHERE source = \(source)
      """)
  }

  /// Lets go of it; the run goes on with whoever claims it next.
  static func release(_ source: String, nextAt: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE source_pulls SET next_at = \(nextAt), lease = NULL, leased_until = NULL
      WHERE source = \(source)
      """)
  }

  /// `restarts`: the run begins anew, in case its next page cannot be had any more.
  static func fail(
    _ source: String, _ error: String, nextAt: Date, restarts: Bool, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE source_pulls SET failures = failures + 1, error = \(error), error_at = \(now),
        next_at = \(nextAt), lease = NULL, leased_until = NULL,
        progress = CASE WHEN \(restarts) THEN NULL ELSE progress END
      WHERE source = \(source)
      """)
  }
}

extension PullState {
  fileprivate init(_ row: Row) throws {
    nextAt = try row.get("next_at")
    isRunning = try row.get("is_running")
    cursor = try row.optionalJSON("cursor").flatMap { $0.isNull ? nil : $0 }
    progress = try row.optionalJSON("progress").flatMap { PullProgress($0) }
    lastRun = try row.optionalJSON("last_run")
    failures = try row.get("failures")
    error = try row.get("error")
    errorAt = try row.get("error_at")
  }
}
