import Foundation
import JSON
import Postgres

/// Reads take any `Queryable`; dispatch reads `active`.
public enum SenderStore {
  private static let columns: SQL = """
    key, channel, adapter, config, secret, weight, pace_per_second, quota_per_day, concurrency,
    timeout_seconds, state, state_reason, version, created_at, updated_at
    """

  /// Senders that may be handed messages, in the order of their keys; of one channel or of all.
  public static func active(
    _ channel: Channel? = nil, in db: any Queryable
  ) throws -> [StoredSender] {
    try db.query(
      """
      SELECT \(columns) FROM senders
      WHERE archived_at IS NULL AND state = 'active'
        AND (\(channel?.rawValue)::text IS NULL OR channel = \(channel?.rawValue))
      ORDER BY key
      """
    ).map(StoredSender.init)
  }

  /// Nil when unknown or archived.
  public static func find(_ key: String, in db: any Queryable) throws -> StoredSender? {
    try db.one("SELECT \(columns) FROM senders WHERE key = \(key) AND archived_at IS NULL")
      .map(StoredSender.init)
  }

  public static func load(_ key: String, in db: any Queryable) throws -> StoredSender {
    guard let sender = try find(key, in: db) else { throw HeraldError.notFound("sender", key) }
    return sender
  }

  /// All of a channel, paused ones too, in the order of their keys.
  public static func list(channel: Channel, in db: any Queryable) throws -> [StoredSender] {
    try db.query(
      """
      SELECT \(columns) FROM senders
      WHERE archived_at IS NULL AND channel = \(channel.rawValue) ORDER BY key
      """
    ).map(StoredSender.init)
  }

  static func list(
    _ page: PageRequest, channel: String?, in db: any Queryable
  ) throws -> [StoredSender] {
    try db.query(
      """
      SELECT \(columns) FROM senders
      WHERE archived_at IS NULL AND key > \(page.after?.values[0] ?? "")
        AND (\(channel)::text IS NULL OR channel = \(channel))
      ORDER BY key LIMIT \(page.limit + 1)
      """
    ).map(StoredSender.init)
  }

  /// Serialises changes of one key for the rest of the transaction; the row need not exist.
  static func lock(_ key: String, in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('sender:' || \(key)))")
  }

  /// Inserts, changes or revives. A change leaves the state as it is; a revival makes it active.
  static func save(
    _ sender: Sender, secret: [UInt8]?, now: Date, in tx: Transaction
  ) throws -> StoredSender {
    let row = try tx.one(
      """
      INSERT INTO senders AS s (key, channel, adapter, config, secret, weight, pace_per_second,
        quota_per_day, concurrency, timeout_seconds, created_at, updated_at)
      VALUES (\(sender.key), \(sender.channel.rawValue), \(sender.adapter),
        \(JSONB(.object(sender.config))), \(secret.map { Bytea($0) }),
        \(Int32(clamping: sender.weight)), \(sender.pacePerSecond),
        \(sender.quotaPerDay),
        \(Int32(clamping: sender.concurrency)), \(Int32(clamping: sender.timeout.seconds)),
        \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET channel = excluded.channel, adapter = excluded.adapter,
        config = excluded.config, secret = excluded.secret, weight = excluded.weight,
        pace_per_second = excluded.pace_per_second, quota_per_day = excluded.quota_per_day, concurrency = excluded.concurrency,
        timeout_seconds = excluded.timeout_seconds, updated_at = excluded.updated_at,
        state = CASE WHEN s.archived_at IS NULL THEN s.state ELSE 'active' END,
        state_reason = CASE WHEN s.archived_at IS NULL THEN s.state_reason END,
        version = s.version + 1, archived_at = NULL
      RETURNING \(columns)
      """)
    guard let row else { throw HeraldError(.unexpected, "The sender was not stored.") }
    return try StoredSender(row)
  }

  /// Pauses or resumes; nil when it is unknown or already so.
  static func setState(
    _ key: String, _ state: Sender.State, reason: String?, now: Date, in tx: Transaction
  ) throws -> StoredSender? {
    try tx.one(
      """
      UPDATE senders SET state = \(state.rawValue), state_reason = \(reason), updated_at = \(now),
        version = version + 1
      WHERE key = \(key) AND archived_at IS NULL AND state <> \(state.rawValue)
      RETURNING \(columns)
      """
    ).map(StoredSender.init)
  }

  /// The row stays, because deliveries and attempts name it; its secrets go.
  static func archive(_ key: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE senders SET archived_at = \(now), updated_at = \(now), secret = NULL,
        version = version + 1
      WHERE key = \(key)
      """)
  }
}

extension StoredSender {
  init(_ row: Row) throws {
    let key: String = try row.get("key")
    guard let channel = Channel(rawValue: try row.get("channel")),
      let timeout = TimeSpan(seconds: try row.get("timeout_seconds")),
      let state = Sender.State(rawValue: try row.get("state"))
    else { throw HeraldError(.unexpected, "Sender '\(key)' holds what this version cannot read.") }
    sender = Sender(
      key: key, channel: channel, adapter: try row.get("adapter"),
      config: try row.json("config").objectValue ?? [:], weight: try row.get("weight"),
      pacePerSecond: try row.get("pace_per_second"),
      quotaPerDay: try row.get("quota_per_day"), concurrency: try row.get("concurrency"),
      timeout: timeout)
    sealedSecrets = try row.get("secret", as: Bytea?.self)?.bytes
    self.state = state
    stateReason = try row.get("state_reason")
    version = try row.get("version")
    createdAt = try row.get("created_at")
    updatedAt = try row.get("updated_at")
  }
}
