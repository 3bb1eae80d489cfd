import Foundation
import Postgres

/// The record of merges, and what changes hands at once: identities, aliases, memberships of lists.
enum MergeStore {
  static func insert(_ merge: UserMerge, in tx: Transaction) throws {
    try tx.execute(
      """
      INSERT INTO user_merges (id, survivor_id, merged_id, state, reason, merged_by, merged_at,
        moving_from, moved_events)
      VALUES (\(merge.id), \(merge.survivor), \(merge.merged), \(merge.state.rawValue),
        \(merge.reason.rawValue), \(merge.mergedBy), \(merge.mergedAt), \(merge.merged),
        \(merge.movedEvents))
      """)
  }

  static func lock(_ id: UUID, in tx: Transaction) throws -> UserMerge {
    guard
      let row = try tx.one("SELECT \(columns) FROM user_merges m WHERE id = \(id) FOR UPDATE")
    else { throw HeraldError.notFound("merge", id.text) }
    return try UserMerge(row)
  }

  /// Merged to survivor, of everybody that the user stands for.
  static func survivors(within root: UUID, in db: any Queryable) throws -> [UUID: UUID] {
    let rows = try db.query(
      """
      SELECT m.merged_id, m.survivor_id FROM user_aliases a
      JOIN user_merges m ON m.merged_id = a.alias_id AND m.state IN ('moving', 'merged')
      WHERE a.user_id = \(root)
      """)
    var survivors: [UUID: UUID] = [:]
    for row in rows { survivors[try row.get(0)] = try row.get(1) }
    return survivors
  }

  static func markUndone(
    _ id: UUID, movingFrom root: UUID?, by principal: String, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE user_merges SET state = \(root == nil ? "undone" : "undoing"),
        moving_from = \(root), moved_name = NULL, moved_ts = NULL, moved_event = NULL,
        undone_by = \(principal), undone_at = \(now)
      WHERE id = \(id)
      """)
  }

  /// Newest first; `user`: those that this user has part in, under any of their ids.
  static func list(
    _ page: PageRequest, user: UUID?, state: String?, visible: SQL, in db: any Queryable
  ) throws -> [UserMerge] {
    let before = page.after?.values.first.flatMap(UUID.init(uuidString:))
    let statement: SQL = """
      SELECT \(columns) FROM user_merges m
      WHERE (\(before)::uuid IS NULL OR m.id < \(before))
        AND (\(state)::text IS NULL OR m.state = \(state))
        AND (\(user)::uuid IS NULL OR m.survivor_id = \(user) OR m.merged_id = \(user)
          OR m.merged_id IN (SELECT alias_id FROM user_aliases WHERE user_id = \(user)))
        AND (\(visible))
      ORDER BY m.id DESC LIMIT \(page.limit + 1)
      """
    return try db.query(statement.unprepared()).map(UserMerge.init)
  }

  private static let columns: SQL = """
    m.id, m.survivor_id, m.merged_id, m.state, m.reason, m.merged_by, m.merged_at, m.undone_by,
    m.undone_at, m.moved_events
    """
}

// MARK: - What changes hands

extension MergeStore {
  /// Everything that `merged` is addressed by becomes the survivor's. `moving`: its events follow.
  static func hand(
    _ merged: UUID, to survivor: UUID, moving: Bool, now: Date, in tx: Transaction
  ) throws {
    // One statement: none of its parts sees, or has to see, what the others do. No chains: whoever
    // was merged into the one that goes now points to the one that stays. The memberships of the old
    // id stay for an undo; nobody reads them meanwhile.
    try tx.execute(
      """
      WITH moved AS (
        UPDATE identities SET user_id = \(survivor), origin = coalesce(origin, \(merged))
        WHERE user_id = \(merged) RETURNING kind, value
      ), relinked AS (
        UPDATE user_aliases SET user_id = \(survivor) WHERE user_id = \(merged)
      ), alias AS (
        INSERT INTO user_aliases (alias_id, user_id, merged_at, moving)
        VALUES (\(merged), \(survivor), \(now), \(moving))
      ), members AS (
        INSERT INTO segment_members (segment, user_id, from_version, until_version, origin)
        SELECT segment, \(survivor), from_version, until_version, coalesce(origin, \(merged))
        FROM segment_members WHERE user_id = \(merged)
        ON CONFLICT DO NOTHING
      )
      INSERT INTO identity_history (user_id, kind, value, at, change)
      SELECT \(merged), kind, value, \(now), 'merged_away' FROM moved
      UNION ALL SELECT \(survivor), kind, value, \(now), 'bound' FROM moved
      ON CONFLICT DO NOTHING
      """)
  }

  /// The other way round: what the users of `branch` brought becomes `merged`'s again.
  static func handBack(
    _ branch: [UUID], from root: UUID, to merged: UUID, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      WITH moved AS (
        UPDATE identities SET user_id = \(merged), origin = nullif(origin, \(merged))
        WHERE user_id = \(root) AND origin = ANY(\(branch)) RETURNING kind, value
      )
      INSERT INTO identity_history (user_id, kind, value, at, change)
      SELECT \(root), kind, value, \(now), 'moved_away' FROM moved
      UNION ALL SELECT \(merged), kind, value, \(now), 'bound' FROM moved
      ON CONFLICT DO NOTHING
      """)
    try tx.execute("DELETE FROM user_aliases WHERE alias_id = \(merged)")
    try tx.execute(
      "UPDATE user_aliases SET user_id = \(merged) WHERE alias_id = ANY(\(branch))")
    try tx.execute(
      "DELETE FROM segment_members WHERE user_id = \(root) AND origin = ANY(\(branch))")
  }

  /// Never merged by themselves from here on.
  static func separate(
    _ pair: UserPair, by principal: String, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO user_separations (one_id, other_id, separated_by, separated_at)
      VALUES (\(pair.one), \(pair.other), \(principal), \(now))
      ON CONFLICT DO NOTHING
      """)
  }

  /// Forgets that anybody of one was told apart from anybody of the other.
  static func unseparate(_ pair: UserPair, in tx: Transaction) throws {
    try tx.execute(
      """
      WITH one AS (
        SELECT \(pair.one)::uuid AS id
        UNION SELECT alias_id FROM user_aliases WHERE user_id = \(pair.one)
      ), other AS (
        SELECT \(pair.other)::uuid AS id
        UNION SELECT alias_id FROM user_aliases WHERE user_id = \(pair.other)
      )
      DELETE FROM user_separations s USING one, other
      WHERE (s.one_id, s.other_id) IN ((one.id, other.id), (other.id, one.id))
      """)
  }
}

extension UserMerge {
  fileprivate init(_ row: Row) throws {
    id = try row.get("id")
    survivor = try row.get("survivor_id")
    merged = try row.get("merged_id")
    state = State(rawValue: try row.get("state")) ?? .undone
    reason = Reason(rawValue: try row.get("reason")) ?? .request
    mergedBy = try row.get("merged_by")
    mergedAt = try row.get("merged_at")
    undoneBy = try row.get("undone_by")
    undoneAt = try row.get("undone_at")
    movedEvents = try row.get("moved_events")
  }
}
