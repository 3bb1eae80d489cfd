import Foundation
import Postgres

/// What `herald doctor` asks the database. Some of it reads whole tables: not for every minute.
enum CheckupStore {
  struct Server: Sendable {
    let version: String
    /// 150004
    let versionNumber: Int
    let encoding: String
    let collation: String
    let timeZone: String
    let fsync: String
    let synchronousCommit: String
    let fullPageWrites: String
    let address: String
  }

  static func server(in db: any Queryable) throws -> Server? {
    try db.one(
      """
      SELECT current_setting('server_version') AS version,
        current_setting('server_version_num')::bigint AS number,
        pg_encoding_to_char(d.encoding)::text AS encoding, d.datcollate::text AS collation,
        (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS zone,
        current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS sync,
        current_setting('full_page_writes') AS pages,
        coalesce(host(inet_server_addr()), 'a socket of this machine') AS address
      FROM pg_database d WHERE d.datname = current_database()
      """
    ).map {
      Server(
        version: try $0.get("version"), versionNumber: try $0.get("number"),
        encoding: try $0.get("encoding"), collation: try $0.get("collation"),
        timeZone: try $0.get("zone"), fsync: try $0.get("fsync"),
        synchronousCommit: try $0.get("sync"), fullPageWrites: try $0.get("pages"),
        address: try $0.get("address"))
    }
  }

  struct Rights: Sendable {
    let role: String
    let isSuperuser: Bool
    let canCreate: Bool
    let ownsTables: Bool
    let canRewriteAudit: Bool
    /// Tables it cannot work with.
    let missing: [String]
    let canMakePartitions: Bool
  }

  static func rights(in db: any Queryable) throws -> Rights? {
    try db.one(
      """
      SELECT current_user::text AS role,
        (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
        has_schema_privilege('public', 'CREATE') AS creates,
        EXISTS (SELECT FROM pg_class c WHERE c.oid = 'users'::regclass
          AND pg_has_role(c.relowner, 'MEMBER')) AS owns,
        has_table_privilege('audit_entries', 'UPDATE, DELETE, TRUNCATE')
          OR has_table_privilege('audit_seals', 'UPDATE, DELETE, TRUNCATE') AS rewrites,
        has_function_privilege('herald_make_partition(text, date)', 'EXECUTE') AS partitions,
        ARRAY(SELECT c.relname::text FROM pg_class c
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND c.relname <> 'schema_migrations'
            AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
              AND (c.relname IN ('audit_entries', 'audit_seals')
                OR has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))
          ORDER BY 1) AS missing
      """
    ).map {
      Rights(
        role: try $0.get("role"), isSuperuser: try $0.get("superuser"),
        canCreate: try $0.get("creates"), ownsTables: try $0.get("owns"),
        canRewriteAudit: try $0.get("rewrites"), missing: try $0.get("missing"),
        canMakePartitions: try $0.get("partitions"))
    }
  }

  static func clock(in db: any Queryable) throws -> Date? {
    try db.one("SELECT clock_timestamp() AS now")?.get("now")
  }

  static func plansWithRuns(in db: any Queryable) throws -> [String] {
    try db.query("SELECT DISTINCT plan FROM runs ORDER BY plan").map { try $0.get("plan") }
  }

  /// Contradictions between the queue, the ledger and the enrolments. Reads the whole ledger.
  struct Contradictions: Sendable {
    let pendingWithoutQueue: Int
    let queuedWithoutDelivery: Int
    let queuedThoughSettled: Int
    let activeWithoutQueue: Int
  }

  /// `tx` must be a snapshot.
  static func contradictions(in tx: Transaction) throws -> Contradictions? {
    try tx.one(
      SQL(
        """
        SELECT
          (SELECT count(*) FROM deliveries d WHERE d.status = 'pending' AND NOT EXISTS (
            SELECT FROM queue q WHERE q.lane = herald_lane(d.user_id) AND q.delivery_id = d.id))
            AS lost,
          count(*) FILTER (WHERE d.id IS NULL AND q.phase IN ('send', 'follow_up')) AS stray,
          -- A sent delivery stays queued while its chain waits for a receipt.
          count(*) FILTER (WHERE d.status IN ('failed', 'skipped', 'unknown')) AS settled,
          (SELECT count(*) FROM enrolments e WHERE e.state = 'active' AND NOT EXISTS (
            SELECT FROM queue q WHERE q.lane = herald_lane(e.user_id) AND q.user_id = e.user_id
              AND q.run_id = e.run_id AND q.entry_key = e.entry_key)) AS stuck
        FROM queue q LEFT JOIN deliveries d ON d.user_id = q.user_id AND d.run_id = q.run_id
          AND d.entry_key = q.entry_key AND d.step_id = q.step_id AND d.occurrence = q.occurrence
          AND d.entered_at = q.entered_at AND d.id = q.delivery_id
        """
      ).unprepared()
    ).map {
      Contradictions(
        pendingWithoutQueue: try $0.get("lost"), queuedWithoutDelivery: try $0.get("stray"),
        queuedThoughSettled: try $0.get("settled"), activeWithoutQueue: try $0.get("stuck"))
    }
  }

  /// Jobs whose worker vanished a minute ago, and uploads nobody has added to for a day.
  static func stuckJobs(now: Date, in db: any Queryable) throws -> [String] {
    try db.query(
      """
      SELECT id::text || ' (' || state || ')' AS job FROM jobs
      WHERE (state = 'running' AND leased_until < clock_timestamp() - interval '1 minute')
        OR (state = 'queued' AND updated_at < \(now)::timestamptz - interval '5 minutes')
        OR (state = 'receiving' AND updated_at < \(now)::timestamptz - interval '1 day')
      ORDER BY id LIMIT 20
      """
    ).map { try $0.get("job") }
  }

  static func adminKeys(now: Date, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(*) AS n FROM api_keys
      WHERE role = 'admin' AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > \(now))
      """)?.get("n") ?? 0
  }
}
