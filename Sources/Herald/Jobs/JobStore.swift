import Foundation
import JSON
import Postgres

enum JobStore {
  private static let columns: SQL = """
    id, kind, state, parameters, done, failed, total, progress, problem, created_by, created_at,
    updated_at, finished_at
    """

  static func load(_ id: UUID, in db: any Queryable) throws -> Job {
    guard let row = try db.one("SELECT \(columns) FROM jobs WHERE id = \(id)") else {
      throw HeraldError.notFound("job", id.text)
    }
    return try Job(row)
  }

  /// Newest first: ids are ordered by time.
  static func list(
    _ page: PageRequest, state: String?, in db: any Queryable
  ) throws -> [Job] {
    let before = page.after.flatMap { UUID(uuidString: $0.values[0]) }
    return try db.query(
      """
      SELECT \(columns) FROM jobs
      WHERE (\(before)::uuid IS NULL OR id < \(before))
        AND (\(state)::text IS NULL OR state = \(state))
      ORDER BY id DESC LIMIT \(page.limit + 1)
      """
    ).map(Job.init)
  }

  static func insert(
    _ id: UUID, kind: Job.Kind, format: Job.Format, firesTriggers: Bool, by caller: Caller,
    now: Date, in tx: Transaction
  ) throws {
    let parameters: JSONValue = [
      "format": .string(format.rawValue), "triggers": .bool(firesTriggers),
    ]
    try tx.execute(
      """
      INSERT INTO jobs (id, kind, state, parameters, created_by, created_at, updated_at)
      VALUES (\(id), \(kind.text), 'receiving', \(JSONB(parameters)), \(caller.principal), \(now),
        \(now))
      """)
  }

  /// False when the job is no longer receiving.
  static func addChunk(
    _ id: UUID, _ n: Int, _ data: [UInt8], now: Date, in tx: Transaction
  ) throws -> Bool {
    let isReceiving = try tx.execute(
      "UPDATE jobs SET updated_at = \(now) WHERE id = \(id) AND state = 'receiving'")
    guard isReceiving == 1 else { return false }
    try tx.execute(
      """
      INSERT INTO job_chunks (job, n, data) VALUES (\(id), \(n)::bigint::integer, \(Bytea(data)))
      """)
    return true
  }

  static func queue(
    _ id: UUID, bytes: Int, total: Int, now: Date, in tx: Transaction
  ) throws -> Bool {
    try tx.execute(
      """
      UPDATE jobs SET state = 'queued', total = \(total), updated_at = \(now),
        parameters = parameters || jsonb_build_object('bytes', \(bytes)::bigint)
      WHERE id = \(id) AND state = 'receiving'
      """) == 1
  }

  /// Ends a job that is not over yet and drops its upload; false when it is over.
  static func end(
    _ id: UUID, _ state: Job.State, problem: String? = nil, now: Date, in tx: Transaction
  ) throws -> Bool {
    let ended = try tx.execute(
      """
      UPDATE jobs SET state = \(state.rawValue), problem = \(problem), lease = NULL,
        leased_until = NULL, updated_at = \(now), finished_at = \(now),
        total = CASE WHEN \(state.rawValue) = 'completed' THEN done ELSE total END
      WHERE id = \(id) AND state IN ('receiving', 'queued', 'running')
      """)
    guard ended == 1 else { return false }
    try tx.execute("DELETE FROM job_chunks WHERE job = \(id)")
    try tx.execute("DELETE FROM job_members WHERE job = \(id)")
    return true
  }
}

extension JobStore {
  /// Jobs that were over before, with their error lines. How many it were.
  static func prune(before: Date, limit: Int, in tx: Transaction) throws -> Int {
    try tx.execute(
      """
      DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs WHERE finished_at < \(before) LIMIT \(limit))
      """)
  }
}

// MARK: - Running

extension JobStore {
  /// Takes the oldest import that nobody works on. Lease time is the database's clock.
  static func claim(
    lease: UUID, seconds: Double, now: Date, in tx: Transaction
  ) throws -> Job? {
    try tx.one(
      """
      UPDATE jobs SET state = 'running', lease = \(lease), updated_at = \(now),
        leased_until = clock_timestamp() + make_interval(secs => \(seconds))
      WHERE id = (
        SELECT id FROM jobs
        WHERE state IN ('queued', 'running')
          AND (kind IN ('users', 'events') OR kind LIKE 'segment:%')
          AND (leased_until IS NULL OR leased_until < clock_timestamp())
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
      RETURNING \(columns)
      """
    ).map(Job.init)
  }

  /// Uploads whose sender went away without a word.
  static func failAbandoned(idle seconds: Double, now: Date, in tx: Transaction) throws {
    let abandoned = try tx.query(
      """
      SELECT id FROM jobs WHERE state = 'receiving'
        AND updated_at < \(now)::timestamptz - make_interval(secs => \(seconds))
      FOR UPDATE SKIP LOCKED
      """)
    for row in abandoned {
      _ = try end(
        try row.get("id"), .failed, problem: "The upload broke off; send the file again.",
        now: now, in: tx)
    }
  }

  /// The job, locked, as long as `lease` still holds it; nil when it was cancelled or taken over.
  static func hold(_ id: UUID, lease: UUID, in tx: Transaction) throws -> Job? {
    try tx.one(
      """
      SELECT \(columns) FROM jobs
      WHERE id = \(id) AND state = 'running' AND lease = \(lease) FOR UPDATE
      """
    ).map(Job.init)
  }

  /// The next 256 KiB of the upload or what is left of them; empty at the end.
  static func read(_ id: UUID, at offset: Int, in db: any Queryable) throws -> [UInt8] {
    let n = offset / Job.chunkBytes
    let skipped = offset % Job.chunkBytes
    let row = try db.one(
      """
      SELECT substr(data, \(skipped + 1)::bigint::integer) AS data FROM job_chunks
      WHERE job = \(id) AND n = \(n)
      """)
    return try row?.get("data", as: Bytea.self).bytes ?? []
  }

  static func advance(
    _ id: UUID, to progress: Job.Progress, done: Int, failed: Int, leaseSeconds: Double, now: Date,
    in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE jobs SET progress = \(JSONB(progress.json)), done = done + \(done),
        failed = failed + \(failed), updated_at = \(now),
        leased_until = clock_timestamp() + make_interval(secs => \(leaseSeconds))
      WHERE id = \(id)
      """)
  }

  /// Tells the planner what the tables of this kind of import hold now; takes up to a second or so.
  static func analyze(_ kind: Job.Kind, in tx: Transaction) throws {
    try tx.execute("SELECT herald_analyze(\(kind.text))")
  }
}

extension Job {
  /// The size of every chunk but the last.
  static let chunkBytes = 256 << 10

  init(_ row: Row) throws {
    let parameters = try row.json("parameters")
    id = try row.get("id")
    kind = try row.get("kind")
    state = State(rawValue: try row.get("state")) ?? .failed
    format = parameters["format"]?.stringValue.flatMap(Format.init)
    firesTriggers = parameters["triggers"]?.boolValue ?? false
    bytes = parameters["bytes"]?.intValue ?? 0
    done = try row.get("done")
    failed = try row.get("failed")
    total = try row.get("total")
    progress = Progress(json: try row.json("progress"))
    problem = try row.get("problem")
    createdBy = try row.get("created_by")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
    finishedAt = try row.get("finished_at")
  }
}
