import Conditions
import Foundation
import JSON
import Postgres

enum CatalogueStore {
  /// What was seen, for `fold` to count later.
  static func note(_ tally: CatalogueTally, in tx: Transaction) throws {
    guard !tally.isEmpty else { return }
    try tx.execute("INSERT INTO catalogue_deltas (delta) VALUES (\(JSONB(tally.json)))")
  }

  /// Counts what was noted, up to `limit` batches; how many it were. One process does it at a time.
  static func fold(limit: Int, now: Date, in tx: Transaction) throws -> Int {
    let isMine = try tx.one(
      "SELECT pg_try_advisory_xact_lock(hashtext('herald_catalogue')) AS mine")
    guard try isMine?.get("mine") ?? false else { return 0 }
    let rows = try tx.query(
      """
      DELETE FROM catalogue_deltas WHERE id IN (
        SELECT id FROM catalogue_deltas ORDER BY id LIMIT \(limit))
      RETURNING delta
      """)
    var tally = CatalogueTally()
    for row in rows { tally.add(CatalogueTally(json: try row.json("delta"))) }
    guard !tally.isEmpty else { return rows.count }
    let events = try count(tally.events, now: now, in: tx)
    var fields: [(event: String, fields: [String: CatalogueTally.Field])] = events.map {
      ($0, tally.events[$0]?.properties ?? [:])
    }
    fields.append(("", tally.attributes))
    for (event, seen) in fields where !seen.isEmpty { try count(seen, of: event, in: tx) }
    return rows.count
  }

  /// The names that are kept: those known, and new ones while there is room.
  private static func count(
    _ events: [String: CatalogueTally.Event], now: Date, in tx: Transaction
  ) throws -> [String] {
    let names = events.keys.sorted()
    let known = Set(
      try tx.query("SELECT name FROM catalogue_events WHERE name = ANY(\(names))")
        .map { try $0.get(0, as: String.self) })
    let total = try tx.one("SELECT count(*) FROM catalogue_events")?.get(0, as: Int.self) ?? 0
    let fresh = names.filter { !known.contains($0) }
      .prefix(max(0, CatalogueTally.eventLimit - total))
    let kept = names.filter { known.contains($0) || fresh.contains($0) }
    let seen = kept.compactMap { events[$0] }
    try tx.execute(
      """
      INSERT INTO catalogue_events AS e (name, count, flagged, first_seen, last_seen, updated_at)
      SELECT name, count, flagged, first, last, \(now)
      FROM unnest(\(kept), \(seen.map(\.count)), \(seen.map(\.flagged)), \(seen.map(\.first)),
        \(seen.map(\.last))) AS n (name, count, flagged, first, last)
      ORDER BY name
      ON CONFLICT (name) DO UPDATE SET count = e.count + excluded.count,
        flagged = e.flagged + excluded.flagged,
        first_seen = least(e.first_seen, excluded.first_seen),
        last_seen = greatest(e.last_seen, excluded.last_seen)
      """)
    return kept
  }

  private static func count(
    _ seen: [String: CatalogueTally.Field], of event: String, in tx: Transaction
  ) throws {
    var known: [String: [String: Int]] = [:]
    for row in try tx.query("SELECT name, types FROM catalogue_fields WHERE event = \(event)") {
      known[try row.get("name", as: String.self)] =
        CatalogueTally.Field.types(try row.json("types"))
    }
    var room = max(0, CatalogueTally.fieldLimit - known.count)
    var rows: [(name: String, types: [String: Int], field: CatalogueTally.Field)] = []
    for (name, field) in seen.sorted(by: { $0.key < $1.key }) {
      if known[name] == nil {
        guard room > 0 else { continue }
        room -= 1
      }
      rows.append((name, (known[name] ?? [:]).merging(field.types, uniquingKeysWith: +), field))
    }
    try tx.execute(
      """
      INSERT INTO catalogue_fields AS f (event, name, types, count, first_seen, last_seen)
      SELECT \(event), name, types, count, first, last
      FROM unnest(\(rows.map(\.name)), \(rows.map { JSONB(.counts($0.types)) }),
        \(rows.map(\.field.count)), \(rows.map(\.field.first)), \(rows.map(\.field.last)))
        AS n (name, types, count, first, last)
      ORDER BY name
      ON CONFLICT (event, name) DO UPDATE SET types = excluded.types,
        count = f.count + excluded.count,
        first_seen = least(f.first_seen, excluded.first_seen),
        last_seen = greatest(f.last_seen, excluded.last_seen)
      """)
  }
}

// MARK: - Reading and declaring

extension CatalogueStore {
  static func list(_ page: PageRequest, in db: any Queryable) throws -> [CatalogueEvent] {
    try db.query(
      """
      SELECT \(columns) FROM catalogue_events
      WHERE \(page.after?.values[0])::text IS NULL OR name > \(page.after?.values[0])
      ORDER BY name LIMIT \(page.limit + 1)
      """
    ).map(CatalogueEvent.init)
  }

  static func find(_ name: String, in db: any Queryable) throws -> CatalogueEvent? {
    try db.one("SELECT \(columns) FROM catalogue_events WHERE name = \(name)")
      .map(CatalogueEvent.init)
  }

  /// By name; `event` is empty for attributes of users.
  static func fields(
    of event: String, _ page: PageRequest, in db: any Queryable
  ) throws -> [CatalogueField] {
    try db.query(
      """
      SELECT name, types, count, first_seen, last_seen FROM catalogue_fields
      WHERE event = \(event)
        AND (\(page.after?.values[0])::text IS NULL OR name > \(page.after?.values[0]))
      ORDER BY name LIMIT \(page.limit + 1)
      """
    ).map { row in
      CatalogueField(
        name: try row.get("name"), types: CatalogueTally.Field.types(try row.json("types")),
        count: try row.get("count"), firstSeen: try row.get("first_seen"),
        lastSeen: try row.get("last_seen"))
    }
  }

  /// Of the events that came.
  static func names(in db: any Queryable) throws -> [String] {
    try db.query("SELECT name FROM catalogue_events WHERE last_seen IS NOT NULL ORDER BY name")
      .map { try $0.get(0) }
  }

  /// Names of the properties that events of a name were seen with.
  static func properties(of event: String, in db: any Queryable) throws -> Set<String> {
    let rows = try db.query("SELECT name FROM catalogue_fields WHERE event = \(event)")
    return Set(try rows.map { try $0.get(0, as: String.self) })
  }

  /// The types of fields that were never seen with another, by event and name; `attributes` of users
  /// are those of the event "".
  static func seenTypes(
    of events: [String], attributes: [String], in db: any Queryable
  ) throws -> [String: [String: ValueType]] {
    var types: [String: [String: ValueType]] = [:]
    for row in try db.query(
      """
      SELECT event, name, types FROM catalogue_fields
      WHERE (event = '' AND name = ANY(\(attributes))) OR event = ANY(\(events))
      """)
    {
      let seen = CatalogueTally.Field.types(try row.json("types")).filter { $0.value > 0 }.keys
      guard seen.count == 1, let type = seen.first.flatMap(ValueType.init) else { continue }
      types[try row.get("event"), default: [:]][try row.get("name")] = type
    }
    return types
  }

  /// The types that properties of these events are declared with, whatever happens to events that do
  /// not fit.
  static func declaredTypes(
    of events: [String], in db: any Queryable
  ) throws -> [String: [String: ValueType]] {
    var types: [String: [String: ValueType]] = [:]
    for row in try db.query(
      "SELECT \(columns) FROM catalogue_events WHERE name = ANY(\(events)) AND mode IS NOT NULL")
    {
      let event = try CatalogueEvent(row)
      for (name, property) in event.schema?.properties ?? [] {
        types[event.name, default: [:]][name] = ValueType(rawValue: property.type.rawValue)
      }
    }
    return types
  }

  /// Properties of the newest events of a name, by events_name_ts_idx.
  static func recent(_ event: String, in db: any Queryable) throws -> [JSONObject] {
    try db.query(
      """
      SELECT properties AS fields FROM events WHERE name = \(event)
      ORDER BY ts DESC LIMIT \(CatalogueField.sampleRows)
      """
    ).compactMap { try $0.json("fields").objectValue }
  }

  /// Attributes of the newest users, by users_created_at_idx.
  static func recentUsers(in db: any Queryable) throws -> [JSONObject] {
    try db.query(
      """
      SELECT attributes AS fields FROM users WHERE erased_at IS NULL
      ORDER BY created_at DESC, id DESC LIMIT \(CatalogueField.sampleRows)
      """
    ).compactMap { try $0.json("fields").objectValue }
  }

  /// Nil takes the declaration away.
  static func declare(
    _ schema: EventSchema?, for name: String, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO catalogue_events AS e (name, properties, mode, updated_at)
      VALUES (\(name), \(schema.map { JSONB($0.json) }), \(schema?.mode.rawValue), \(now))
      ON CONFLICT (name) DO UPDATE SET properties = excluded.properties, mode = excluded.mode,
        version = e.version + 1, updated_at = excluded.updated_at
      """)
  }

  /// Serialises declarations of one name.
  static func lock(_ name: String, in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('catalogue ' || \(name), 0))")
  }

  /// Those that events are held against.
  static func enforced(in db: any Queryable) throws -> [String: EventSchema] {
    var schemas: [String: EventSchema] = [:]
    for row in try db.query(
      "SELECT \(columns) FROM catalogue_events WHERE mode IN ('flag', 'reject')")
    {
      let event = try CatalogueEvent(row)
      schemas[event.name] = event.schema
    }
    return schemas
  }

  private static let columns: SQL = """
    name, count, flagged, first_seen, last_seen, properties, mode, version
    """
}

extension CatalogueEvent {
  fileprivate init(_ row: Row) throws {
    let mode = try row.get("mode", as: String?.self).flatMap(EventSchema.Mode.init)
    let properties = try row.optionalJSON("properties")
    self.init(
      name: try row.get("name"), count: try row.get("count"), flagged: try row.get("flagged"),
      firstSeen: try row.get("first_seen"), lastSeen: try row.get("last_seen"),
      schema: mode.flatMap { mode in
        properties.flatMap { EventSchema(properties: $0, mode: mode) }
      }, version: try row.get("version"))
  }
}
