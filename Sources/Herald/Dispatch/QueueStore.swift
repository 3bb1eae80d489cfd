import Foundation
import JSON
import Postgres

/// The queue beside the ledger. A claim names lanes; a settlement names its lease and is refused when
/// the row has another by now (fencing).
///
/// Rows are named by arrays of keys, with which the lease comes once for each of them: as a condition
/// on the table it would make the planner expect so few rows that it reads the lane and compares
/// each of its rows with each of the array.
enum QueueStore {
  /// A lane with work that is due and not leased.
  struct DueLane: Sendable {
    let lane: Int
    /// How many rows, as far as they were counted.
    let rows: Int
  }

  /// None while everything is stopped. `counting`: rows of a lane that are counted at most.
  static func dueLanes(counting: Int, now: Date, in db: any Queryable) throws -> [DueLane] {
    // 64 probes of queue_due_idx.
    try db.query(
      """
      SELECT n AS lane, due.rows FROM generate_series(0, 63) AS lanes (n) CROSS JOIN LATERAL (
        SELECT count(*) AS rows FROM (
          SELECT FROM queue q WHERE q.lane = n::smallint AND q.due_at <= \(now)
            AND (q.leased_until IS NULL OR q.leased_until < clock_timestamp())
          ORDER BY q.due_at, q.priority DESC LIMIT \(counting)) AS found) AS due
      WHERE due.rows > 0 AND NOT EXISTS (SELECT FROM stops WHERE scope = 'all')
      """
    ).map { DueLane(lane: try $0.get("lane"), rows: try $0.get("rows")) }
  }

  /// Rows claimed together that took their worker down once before; twice: each alone.
  private static let suspects = 16

  /// Leases up to `limit` due rows of the lease's lanes, one lane after the other, and counts the claim:
  /// few rows in many lanes make one batch, many in a lane leave the others alone. A row is at risk of being what
  /// crashes its worker from here to `prepare`, and again from `markHandedOver` to its settling;
  /// suspects come first and in small company, so that innocent ones are cleared.
  static func claim(
    _ lease: Lease, limit: Int, now: Date, in tx: Transaction
  ) throws -> [QueueEntry] {
    // By queue_due_idx.
    try tx.query(
      """
      WITH due AS MATERIALIZED (
        SELECT d.* FROM unnest(\(lease.lanes.map(Int16.init(clamping:)))) AS n (lane)
        CROSS JOIN LATERAL (
          SELECT q.lane, q.delivery_id, q.due_at, q.priority, least(q.claims, 2) AS suspicion
          FROM queue q
          WHERE q.lane = n.lane AND q.due_at <= \(now)
            AND (q.leased_until IS NULL OR q.leased_until < clock_timestamp())
          ORDER BY q.due_at, q.priority DESC LIMIT \(limit) FOR UPDATE SKIP LOCKED) AS d
        LIMIT \(limit)
      ), worst AS (SELECT max(suspicion) AS suspicion FROM due),
      picked AS (
        SELECT lane, delivery_id FROM due JOIN worst USING (suspicion) ORDER BY due_at, priority DESC
        LIMIT (SELECT CASE suspicion WHEN 0 THEN \(limit)::bigint
          WHEN 1 THEN \(Self.suspects)::bigint ELSE 1 END FROM worst))
      UPDATE queue q SET lease = \(lease.id), claims = q.claims + 1,
        leased_until = clock_timestamp() + make_interval(secs => \(Double(lease.seconds)))
      FROM picked p WHERE q.lane = p.lane AND q.delivery_id = p.delivery_id
      RETURNING q.lane, q.delivery_id, q.user_id, q.run_id, q.entry_key, q.step_id, q.occurrence,
        q.entered_at, q.step_entered_at, q.plan, q.plan_version, q.priority, q.link, q.phase, q.tries, q.claims,
        q.sender, q.content, q.handed_over_at
      """
    ).map(QueueEntry.init)
  }

  /// Keeps the lease of work under way; how many rows are still held.
  static func renew(_ rows: [QueueEntry.Key], _ lease: Lease, in tx: Transaction) throws -> Int {
    try tx.execute(
      """
      UPDATE queue q SET
        leased_until = clock_timestamp() + make_interval(secs => \(Double(lease.seconds)))
      FROM unnest(\(names(rows, lease.id))) AS n (lane, id, lease)
      WHERE \(isHeld)
      """)
  }

  /// Gives prepared rows back, each with the doubt it had before: they are due at once. Those that the
  /// lease still held.
  static func release(
    _ rows: [(key: QueueEntry.Key, doubt: Date?)], _ lease: Lease, in tx: Transaction
  ) throws -> Set<UUID> {
    guard !rows.isEmpty else { return [] }
    let released = try tx.query(
      """
      UPDATE queue q SET lease = NULL, leased_until = NULL, handed_over_at = n.doubt, claims = 0
      FROM unnest(\(names(rows.map(\.key), lease.id)), \(rows.map(\.doubt)))
        AS n (lane, id, lease, doubt)
      WHERE \(isHeld) RETURNING q.delivery_id
      """)
    return try released.ids()
  }

  /// Gives back whatever a lease holds but hand-overs, whose end has to be told or found out.
  static func giveBack(
    _ lease: Lease, isInnocent: Bool, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE queue SET lease = NULL, leased_until = NULL,
        claims = CASE WHEN \(isInnocent) THEN greatest(claims - 1, 0) ELSE claims END
      WHERE lane = ANY(\(lease.lanes.map(Int16.init(clamping:)))) AND due_at <= \(now)
        AND lease = \(lease.id) AND handed_over_at IS NULL
      """)
  }

  /// Rows to come back to later, each with what it keeps.
  struct Postponement {
    let key: QueueEntry.Key
    /// Nil: parked until the plan is resumed.
    let dueAt: Date?
    let link: Int
    let phase: QueueEntry.Phase
    let tries: Int
    let sender: String?
    let content: JSONValue?
    /// When it was handed over without an answer: a resend, if any, must be the same through the
    /// same sender, and a row that is given up may have been sent.
    let doubt: Date?
  }

  /// Those that the lease still held.
  @discardableResult
  static func postpone(
    _ rows: [Postponement], lease: UUID, in tx: Transaction
  ) throws -> Set<UUID> {
    guard !rows.isEmpty else { return [] }
    let postponed = try tx.query(
      """
      UPDATE queue q SET due_at = coalesce(n.due_at, 'infinity'), link = n.link,
        phase = n.phase, tries = n.tries, sender = n.sender, content = n.content,
        claims = 0, lease = NULL, leased_until = NULL, handed_over_at = n.doubt
      FROM unnest(\(names(rows.map(\.key), lease)), \(rows.map(\.dueAt)), \(rows.map(\.link)),
        \(rows.map(\.phase.rawValue)), \(rows.map(\.tries)), \(rows.map(\.sender)),
        \(rows.map { $0.content.map(text) }), \(rows.map(\.doubt)))
        AS n (lane, id, lease, due_at, link, phase, tries, sender, content, doubt)
      WHERE \(isHeld) RETURNING q.delivery_id
      """)
    return try postponed.ids()
  }

  /// Rows that wait: for an instant, or for one of these events of their person.
  struct Wait {
    let key: QueueEntry.Key
    let until: Date
    let events: [String]
  }

  static func wait(_ rows: [Wait], lease: UUID, in tx: Transaction) throws {
    guard !rows.isEmpty else { return }
    // Arrays of arrays cannot differ in length: the names come as JSON.
    let events = rows.map { row -> JSONB? in
      row.events.isEmpty ? nil : JSONB(.array(row.events.map(JSONValue.string)))
    }
    try tx.execute(
      """
      UPDATE queue q SET due_at = n.until, claims = 0, lease = NULL, leased_until = NULL,
        awaits = CASE WHEN n.names IS NOT NULL
          THEN ARRAY(SELECT jsonb_array_elements_text(n.names)) END
      FROM unnest(\(names(rows.map(\.key), lease)), \(rows.map(\.until)), \(events))
        AS n (lane, id, lease, until, names)
      WHERE \(isHeld)
      """)
  }

  /// Fixes link, sender and content of rows that are to be handed over: the same bytes go out at
  /// every try. Those begun are handed over next; while the others wait for their turn, nothing can
  /// happen to their worker because of them. The lease of all is renewed. Those still held under it.
  static func prepare(
    _ handovers: [Handover], _ lease: Lease, in tx: Transaction
  ) throws -> Set<UUID> {
    guard !handovers.isEmpty else { return [] }
    let rows = try tx.query(
      """
      UPDATE queue q SET sender = n.sender, content = n.content, phase = 'send',
        tries = CASE WHEN q.link = n.link THEN q.tries ELSE 0 END, link = n.link,
        claims = CASE WHEN n.begun THEN q.claims ELSE greatest(q.claims - 1, 0) END,
        handed_over_at = CASE WHEN n.begun THEN clock_timestamp()
          WHEN q.link = n.link THEN q.handed_over_at END,
        leased_until = clock_timestamp() + make_interval(secs => \(Double(lease.seconds)))
      FROM unnest(\(names(handovers.map(\.entry.key), lease.id)), \(handovers.map(\.link)),
        \(handovers.map(\.sender.key)), \(handovers.map { text($0.message.content) }),
        \(handovers.map(\.isBegun))) AS n (lane, id, lease, link, sender, content, begun)
      WHERE \(isHeld) RETURNING q.delivery_id
      """)
    return try rows.ids()
  }

  private static func text(_ content: JSONValue) -> String {
    String(decoding: content.bytes, as: UTF8.self)
  }

  /// Notes that these are handed over next; those still held under the lease, which is renewed.
  static func markHandedOver(
    _ rows: [QueueEntry.Key], _ lease: Lease, in tx: Transaction
  ) throws -> Set<UUID> {
    let marked = try tx.query(
      """
      UPDATE queue q SET handed_over_at = clock_timestamp(), claims = q.claims + 1,
        leased_until = clock_timestamp() + make_interval(secs => \(Double(lease.seconds)))
      FROM unnest(\(names(rows, lease.id))) AS n (lane, id, lease)
      WHERE \(isHeld) RETURNING q.delivery_id
      """)
    return try marked.ids()
  }

  /// Which of these the lease still holds; they stay locked to the end of the transaction.
  static func held(
    _ rows: some Sequence<QueueEntry.Key>, lease: UUID, in tx: Transaction
  ) throws -> Set<UUID> {
    let rows = Array(rows)
    guard !rows.isEmpty else { return [] }
    // In the order of the key, as `hasten` locks them.
    let held = try tx.query(
      """
      SELECT q.delivery_id FROM unnest(\(names(rows, lease))) AS n (lane, id, lease)
      JOIN queue q ON \(isHeld) ORDER BY n.lane, n.id FOR UPDATE OF q
      """)
    return try held.ids()
  }

  /// Deletes those the lease still holds, and says which these were.
  static func delete(
    _ rows: [QueueEntry.Key], lease: UUID, in tx: Transaction
  ) throws -> Set<UUID> {
    guard !rows.isEmpty else { return [] }
    let deleted = try tx.query(
      """
      DELETE FROM queue q USING unnest(\(names(rows, lease))) AS n (lane, id, lease)
      WHERE \(isHeld) RETURNING q.delivery_id
      """)
    return try deleted.ids()
  }

  /// Columns that name rows which a lease should hold.
  private static func names(_ rows: [QueueEntry.Key], _ lease: UUID) -> SQL {
    """
    \(rows.map { Int16(clamping: $0.lane) }), \(rows.map(\.id)), \(rows.map { _ in lease })
    """
  }

  /// Over rows `q` of the queue and their names `n`.
  private static var isHeld: SQL {
    "q.lane = n.lane AND q.delivery_id = n.id AND q.lease = n.lease"
  }

  /// Makes everything of a plan due now, parked or put off: it is to be settled as cancelled.
  static func hasten(plan: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE queue SET due_at = \(now)
      WHERE due_at > \(now) AND run_id IN (SELECT id FROM runs WHERE plan = \(plan))
      """)
  }

  /// Makes due what waits for one of these events of its person, whether the event will do or not.
  /// In the transaction that stores the events: whoever looks at a row before, under its lock, makes
  /// this wait and is looked at again; whoever looks after it sees the events. Of merged people, rows
  /// under their old ids too. Returns how many rows there were.
  static func hasten(
    awaiting events: [(user: UUID, name: String)], now: Date, in tx: Transaction
  ) throws -> Int {
    guard !events.isEmpty else { return 0 }
    // By queue_awaits_idx; locked in the order of the key, as everywhere. Rows that are due already
    // are written too: their holder may be about to put them off.
    return try tx.execute(
      """
      WITH arrived AS MATERIALIZED (
        SELECT n.user_id, n.name
        FROM unnest(\(events.map(\.user)), \(events.map(\.name))) AS n (user_id, name)
        UNION SELECT a.alias_id, n.name
        FROM unnest(\(events.map(\.user)), \(events.map(\.name))) AS n (user_id, name)
        JOIN user_aliases a ON a.user_id = n.user_id
      ), waiting AS MATERIALIZED (
        SELECT q.lane, q.delivery_id FROM queue q
        WHERE q.awaits IS NOT NULL AND q.user_id IN (SELECT user_id FROM arrived)
          AND EXISTS (SELECT FROM arrived a
            WHERE a.user_id = q.user_id AND a.name = ANY(q.awaits))
        ORDER BY q.lane, q.delivery_id FOR UPDATE OF q
      )
      UPDATE queue q SET due_at = least(q.due_at, \(now)) FROM waiting w
      WHERE q.lane = w.lane AND q.delivery_id = w.delivery_id
      """)
  }

  /// Makes parked rows of a plan due again.
  static func unpark(plan: String, now: Date, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE queue SET due_at = \(now)
      WHERE due_at = 'infinity' AND run_id IN (SELECT id FROM runs WHERE plan = \(plan))
      """)
  }

  /// Makes every parked row due again; those whose plan is paused are parked again when claimed.
  static func unparkAll(now: Date, in tx: Transaction) throws {
    try tx.execute("UPDATE queue SET due_at = \(now) WHERE due_at = 'infinity'")
  }

  /// Whether anybody is inside a version.
  static func hasRows(_ name: PlanVersionName, in db: any Queryable) throws -> Bool {
    try db.one(
      """
      SELECT 1 FROM queue WHERE plan_version = \(name.version)::integer
        AND run_id IN (SELECT id FROM runs WHERE plan = \(name.plan)) LIMIT 1
      """) != nil
  }

  /// Deliveries that a live worker has handed over and not settled.
  static func inFlight(plan: String?, in db: any Queryable) throws -> Int {
    try db.one(
      """
      SELECT count(*) AS n FROM queue
      WHERE handed_over_at IS NOT NULL AND leased_until > clock_timestamp()
        AND (\(plan)::text IS NULL
          OR run_id IN (SELECT id FROM runs WHERE plan = \(plan)))
      """)?.get("n") ?? 0
  }
}

extension QueueEntry {
  init(_ row: Row) throws {
    lane = try row.get("lane")
    deliveryID = try row.get("delivery_id")
    userID = try row.get("user_id")
    runID = try row.get("run_id")
    entryKey = try row.get("entry_key")
    stepID = try row.get("step_id")
    occurrence = try row.get("occurrence")
    enteredAt = try row.get("entered_at")
    stepEnteredAt = try row.get("step_entered_at")
    plan = try row.get("plan")
    planVersion = try row.get("plan_version")
    priority = try row.get("priority")
    link = try row.get("link")
    phase = Phase(rawValue: try row.get("phase")) ?? .send
    tries = try row.get("tries")
    claims = try row.get("claims")
    sender = try row.get("sender")
    content = try row.get("content", as: String?.self).map { try JSONScanner.parse($0) }
    handedOverAt = try row.get("handed_over_at")
  }
}
