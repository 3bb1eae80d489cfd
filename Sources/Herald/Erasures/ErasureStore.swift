import Foundation
import JSON
import Postgres

/// Takes a person out of the rows that are about them. Rows that count (events, deliveries, coupons)
/// stay under the same id, without what was personal in them.
enum ErasureStore {
  /// Rows that go. What identifies the person is among them: they go first, all at once.
  static let deleted = [
    "identities", "identity_history", "user_parts", "consents", "consent_history", "devices",
    "user_tags", "segment_members", "arms", "job_members", "cap_uses", "cap_reservations",
    "violations",
  ]

  /// Rows that stay, with what makes each anonymous. `left`: which are not yet. All by an index that
  /// begins with the user.
  static let anonymised: [(table: String, key: SQL, set: SQL, left: SQL)] = [
    (
      "events", "user_id, name, ts, id",
      "message_id = NULL, context = NULL, properties = herald_anonymous(properties, \(personal))",
      """
      (message_id IS NOT NULL OR context IS NOT NULL
        OR properties <> herald_anonymous(properties, \(personal)))
      """
    ),
    (
      "deliveries", "user_id, run_id, entry_key, step_id, occurrence, entered_at",
      #""values" = NULL, provider_id = NULL"#,
      #"("values" IS NOT NULL OR provider_id IS NOT NULL)"#
    ),
    (
      "attempts", "user_id, delivery_id, link, try, entered_at", "provider_id = NULL",
      "provider_id IS NOT NULL"
    ),
    (
      "enrolments", "user_id, run_id, entry_key", #""values" = NULL"#, #""values" IS NOT NULL"#
    ),
    (
      "step_visits", "user_id, run_id, entry_key, step_id, occurrence, entered_at",
      #""values" = NULL"#, #""values" IS NOT NULL"#
    ),
    ("coupon_redemptions", "id", "order_id = ''", "order_id <> ''"),
  ]

  private static var personal: [String] { UserMask.personal.sorted() }

  /// The user and the ids merged into it: the ledger stays on those it was written for.
  static func ids(of user: UUID, in db: any Queryable) throws -> [UUID] {
    [user]
      + (try db.query(
        "SELECT alias_id FROM user_aliases WHERE user_id = \(user) ORDER BY alias_id"
      ).map { try $0.get(0, as: UUID.self) })
  }

  /// Removes all that identifies the person. The user must be locked.
  static func forget(_ users: [UUID], now: Date, in tx: Transaction) throws -> [String: Int] {
    var counts: [String: Int] = [:]
    for table in deleted {
      counts[table] = try tx.execute(
        "DELETE FROM \(identifier: table) WHERE user_id = ANY(\(users))")
    }
    try tx.execute(
      """
      UPDATE users SET attributes = '{}', attribute_times = NULL, time_zone = NULL, locale = NULL,
        erased_at = coalesce(erased_at, \(now)), updated_at = \(now), version = version + 1
      WHERE id = ANY(\(users))
      """)
    // They quote identities, of both.
    counts["identity_conflicts"] = try tx.execute(
      "DELETE FROM identity_conflicts WHERE one_id = ANY(\(users)) OR other_id = ANY(\(users))")
    // A row of the queue is in its user's lane.
    counts["queue"] = try tx.execute(
      """
      UPDATE queue SET content = NULL
      WHERE lane = ANY(ARRAY(SELECT herald_lane(id) FROM unnest(\(users)) AS id))
        AND user_id = ANY(\(users)) AND content IS NOT NULL
      """)
    return counts
  }

  /// Empties answers kept for a day, to be given again, that show the person. The key stays taken: what
  /// it stands for must not be done twice.
  static func forgetAnswers(
    to users: [UUID], _ names: [ErasedName], in tx: Transaction
  ) throws -> Int {
    let needles = users.map(\.text) + names.map(\.inAnswers)
    return try tx.execute(
      """
      UPDATE idempotency_keys k SET body = '', headers = '{}' WHERE body <> '' AND EXISTS (
        SELECT FROM unnest(\(needles)) AS needle
        WHERE position(convert_to(needle, 'UTF8') IN k.body) > 0)
      """)
  }

  /// Makes up to `limit` rows of a table anonymous; how many it were.
  static func anonymise(
    _ place: Int, of users: [UUID], limit: Int, in tx: Transaction
  ) throws -> Int {
    let (table, key, set, left) = anonymised[place]
    return try tx.execute(
      """
      UPDATE \(identifier: table) SET \(set)
      WHERE (\(key)) IN (SELECT \(key) FROM \(identifier: table)
        WHERE user_id = ANY(\(users)) AND \(left) LIMIT \(limit))
      """)
  }

  /// What is left of the person, by table; only tables where there is something.
  static func residue(of users: [UUID], in db: any Queryable) throws -> [String: Int] {
    var found: [String: Int] = [:]
    for table in deleted {
      found[table] = try db.one(
        "SELECT count(*) FROM \(identifier: table) WHERE user_id = ANY(\(users))")?.get(0)
    }
    for (table, _, _, left) in anonymised {
      found[table] = try db.one(
        "SELECT count(*) FROM \(identifier: table) WHERE user_id = ANY(\(users)) AND \(left)"
      )?.get(0)
    }
    found["identity_conflicts"] = try db.one(
      """
      SELECT count(*) FROM identity_conflicts
      WHERE one_id = ANY(\(users)) OR other_id = ANY(\(users))
      """)?.get(0)
    found["users"] = try db.one(
      """
      SELECT count(*) FROM users WHERE id = ANY(\(users))
        AND (attributes <> '{}' OR time_zone IS NOT NULL OR locale IS NOT NULL
          OR erased_at IS NULL)
      """)?.get(0)
    return found.filter { $0.value > 0 }
  }
}

// MARK: - Proofs

extension ErasureStore {
  static func insert(
    _ erasure: Erasure, naming names: [ErasedName], in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO erasures (id, user_id, user_ids, state, requested_by, requested_at, completed_at,
        tables, suppressed, digest, names)
      VALUES (\(erasure.id), \(erasure.user), \(erasure.userIDs), \(erasure.state.rawValue),
        \(erasure.requestedBy), \(erasure.requestedAt), \(erasure.completedAt),
        \(JSONB(erasure.tablesJSON)), \(erasure.suppressed)::bigint::integer,
        \(erasure.digest.map { Bytea($0) }), \(JSONB(.array(names.map(\.json)))))
      """)
  }

  /// Texts that name the person are gone through by then.
  static func save(_ erasure: Erasure, in tx: Transaction) throws {
    try tx.execute(
      """
      UPDATE erasures SET names = NULL, state = \(erasure.state.rawValue),
        completed_at = \(erasure.completedAt),
        tables = \(JSONB(erasure.tablesJSON)), digest = \(erasure.digest.map { Bytea($0) })
      WHERE id = \(erasure.id)
      """)
  }

  static func load(_ id: UUID, in db: any Queryable) throws -> Erasure {
    guard let row = try db.one("SELECT \(columns) FROM erasures WHERE id = \(id)") else {
      throw HeraldError.notFound("erasure", id.text)
    }
    return try Erasure(row)
  }

  /// Newest first: ids are ordered by time.
  static func list(
    _ page: PageRequest, state: String?, in db: any Queryable
  ) throws -> [Erasure] {
    let before = page.after.flatMap { UUID(uuidString: $0.values[0]) }
    return try db.query(
      """
      SELECT \(columns) FROM erasures
      WHERE (\(before)::uuid IS NULL OR id < \(before))
        AND (\(state)::text IS NULL OR state = \(state))
      ORDER BY id DESC LIMIT \(page.limit + 1)
      """
    ).map(Erasure.init)
  }

  /// That one, or the oldest, locked, with the names that texts were not searched for yet, if so; nil
  /// when it is over or somebody works on it.
  static func claim(
    _ id: UUID?, in tx: Transaction
  ) throws -> (erasure: Erasure, names: [ErasedName]?)? {
    guard
      let row = try tx.one(
        """
        SELECT \(columns), names FROM erasures
        WHERE state = 'running' AND (\(id)::uuid IS NULL OR id = \(id))
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
        """)
    else { return nil }
    let names = try row.optionalJSON("names")?.arrayValue
    return (try Erasure(row), names?.compactMap(ErasedName.init))
  }

  private static let columns: SQL = """
    id, user_id, user_ids, state, requested_by, requested_at, completed_at, tables, suppressed,
    digest
    """
}

extension Erasure {
  fileprivate init(_ row: Row) throws {
    var tables: [String: Work] = [:]
    for (table, work) in try row.json("tables").objectValue ?? [:] {
      tables[table] = Work(
        deleted: work["deleted"]?.intValue ?? 0, anonymised: work["anonymised"]?.intValue ?? 0)
    }
    self.init(
      id: try row.get("id"), user: try row.get("user_id"), userIDs: try row.get("user_ids"),
      state: State(rawValue: try row.get("state")) ?? .running,
      requestedBy: try row.get("requested_by"), requestedAt: try row.get("requested_at"),
      completedAt: try row.get("completed_at"), tables: tables,
      suppressed: try row.get("suppressed"), digest: try row.get("digest", as: Bytea?.self)?.bytes)
  }
}
