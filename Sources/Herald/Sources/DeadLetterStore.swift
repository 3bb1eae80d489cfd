import Foundation
import JSON
import Postgres

enum DeadLetterStore {
  private static let columns: SQL = """
    source, id, received_at, item_index, delivery_id, faults, headers, body, is_truncated, tries,
    tried_at
    """

  /// All of one source. Keeps its newest ones only.
  static func insert(_ letters: [DeadLetter], in tx: Transaction) throws {
    guard let source = letters.first?.source else { return }
    try tx.execute(
      """
      INSERT INTO source_dead_letters (source, id, received_at, item_index, delivery_id, faults,
        headers, body, is_truncated, tried_at)
      SELECT \(source), l.id, l.at, l.index, l.delivery, l.faults, l.headers, l.body, l.cut, l.at
      FROM unnest(\(letters.map(\.id)), \(letters.map(\.receivedAt)),
        \(letters.map { Int32(clamping: $0.index) }), \(letters.map(\.deliveryID)),
        \(letters.map { JSONB(.array($0.faults)) }), \(letters.map { JSONB(.object($0.headers)) }),
        \(letters.map { Bytea($0.body) }), \(letters.map(\.isTruncated)))
        AS l (id, at, index, delivery, faults, headers, body, cut)
      """)
    try tx.execute(
      """
      DELETE FROM source_dead_letters WHERE source = \(source) AND id <= (
        SELECT id FROM source_dead_letters WHERE source = \(source)
        ORDER BY id DESC OFFSET \(DeadLetter.limit) LIMIT 1)
      """)
  }

  /// Newest first: ids are ordered by time.
  static func list(
    _ source: String, _ page: PageRequest, in db: any Queryable
  ) throws -> [DeadLetter] {
    let before = page.after.flatMap { UUID(uuidString: $0.values[0]) }
    return try db.query(
      """
      SELECT \(columns) FROM source_dead_letters
      WHERE source = \(source) AND (\(before)::uuid IS NULL OR id < \(before))
      ORDER BY id DESC LIMIT \(page.limit + 1)
      """
    ).map(DeadLetter.init)
  }

  static func load(_ source: String, _ id: UUID, in db: any Queryable) throws -> DeadLetter {
    guard
      let row = try db.one(
        "SELECT \(columns) FROM source_dead_letters WHERE source = \(source) AND id = \(id)")
    else { throw HeraldError.notFound("dead letter", id.text) }
    return try DeadLetter(row)
  }

  static func newest(_ source: String, in db: any Queryable) throws -> UUID? {
    try db.one(
      "SELECT id FROM source_dead_letters WHERE source = \(source) ORDER BY id DESC LIMIT 1")?
      .get("id")
  }

  /// The oldest after `id` and up to `last`, locked; those that somebody else is replaying are left out.
  static func lock(
    _ source: String, after id: UUID?, upTo last: UUID, limit: Int, in tx: Transaction
  ) throws -> [DeadLetter] {
    try tx.query(
      """
      SELECT \(columns) FROM source_dead_letters
      WHERE source = \(source) AND (\(id)::uuid IS NULL OR id > \(id)) AND id <= \(last)
      ORDER BY id LIMIT \(limit) FOR UPDATE SKIP LOCKED
      """
    ).map(DeadLetter.init)
  }

  /// Waits for whoever is replaying it; nil when that took it away.
  static func lock(_ source: String, _ id: UUID, in tx: Transaction) throws -> DeadLetter? {
    try tx.one(
      """
      SELECT \(columns) FROM source_dead_letters WHERE source = \(source) AND id = \(id) FOR UPDATE
      """
    ).map(DeadLetter.init)
  }

  static func delete(_ source: String, _ ids: [UUID], in tx: Transaction) throws -> Int {
    try tx.execute(
      "DELETE FROM source_dead_letters WHERE source = \(source) AND id = ANY(\(ids))")
  }

  static func deleteAll(_ source: String, in tx: Transaction) throws {
    try tx.execute("DELETE FROM source_dead_letters WHERE source = \(source)")
  }

  static func noteTries(
    _ source: String, _ failed: [(id: UUID, faults: [JSONValue])], now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE source_dead_letters d SET faults = f.faults, tries = d.tries + 1, tried_at = \(now)
      FROM unnest(\(failed.map(\.id)), \(failed.map { JSONB(.array($0.faults)) })) AS f (id, faults)
      WHERE d.source = \(source) AND d.id = f.id
      """)
  }

  static func counts(_ sources: [String], in db: any Queryable) throws -> [String: Int] {
    guard !sources.isEmpty else { return [:] }
    var counts: [String: Int] = [:]
    for row in try db.query(
      """
      SELECT source, count(*) AS n FROM source_dead_letters WHERE source = ANY(\(sources))
      GROUP BY source
      """)
    {
      counts[try row.get("source")] = try row.get("n", as: Int.self)
    }
    return counts
  }

  /// Those that hold one of the texts, whatever the case of its ASCII letters; digits also where a
  /// number is written in groups. Reads all there are.
  static func forget(naming texts: [String], in tx: Transaction) throws -> Int {
    guard !texts.isEmpty else { return 0 }
    return try tx.execute(
      """
      DELETE FROM source_dead_letters d WHERE EXISTS (
        SELECT FROM unnest(\(texts)) AS t (text)
        WHERE position(lower(encode(convert_to(t.text, 'UTF8'), 'escape'))
          IN lower(encode(d.body, 'escape'))) > 0
          OR strpos(herald_ungrouped(encode(d.body, 'escape')), t.text) > 0)
      """)
  }

  static func prune(before: Date, in tx: Transaction) throws -> Int {
    try tx.execute("DELETE FROM source_dead_letters WHERE received_at < \(before)")
  }
}

extension DeadLetter {
  fileprivate init(_ row: Row) throws {
    self.init(
      source: try row.get("source"), id: try row.get("id"),
      receivedAt: try row.get("received_at"), index: try row.get("item_index"),
      deliveryID: try row.get("delivery_id"), faults: try row.json("faults").arrayValue ?? [],
      headers: try row.json("headers").objectValue ?? [:],
      body: try row.get("body", as: Bytea.self).bytes,
      isTruncated: try row.get("is_truncated"), tries: try row.get("tries"),
      triedAt: try row.get("tried_at"))
  }
}
