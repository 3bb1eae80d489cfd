import Foundation
import JSON
import Postgres

/// A declared attribute.
struct StoredAttribute: Sendable {
  let key: String
  /// Nil for any.
  let type: AttributeType?
  let merge: AttributeRule
  let version: Int
  let createdAt: Date
  let updatedAt: Date

  var json: JSONValue {
    [
      "key": .string(key), "type": .optional(type?.rawValue), "merge": .string(merge.rawValue),
      "version": .int(version), "created_at": .instant(createdAt),
      "updated_at": .instant(updatedAt),
    ]
  }
}

enum AttributeStore {
  /// The merge rules of declared attributes.
  static func rules(in db: any Queryable) throws -> [String: AttributeRule] {
    var rules: [String: AttributeRule] = [:]
    for row in try db.query("SELECT key, merge FROM attributes") {
      rules[try row.get("key")] = AttributeRule(rawValue: try row.get("merge"))
    }
    return rules
  }

  /// The declared types of these; one that is not declared is of any.
  static func types(of keys: Set<String>, in db: any Queryable) throws -> AttributeTypes {
    guard !keys.isEmpty else { return AttributeTypes([:]) }
    let rows = try db.query(
      "SELECT key, type FROM attributes WHERE key = ANY(\(Array(keys))) AND type IS NOT NULL")
    var types: [String: AttributeType] = [:]
    for row in rows { types[try row.get("key")] = AttributeType(rawValue: try row.get("type")) }
    return AttributeTypes(types)
  }

  static func list(in db: any Queryable) throws -> [StoredAttribute] {
    try db.query(
      "SELECT key, type, merge, version, created_at, updated_at FROM attributes ORDER BY key"
    ).map { row in
      StoredAttribute(
        key: try row.get("key"),
        type: try row.get("type", as: String?.self).flatMap(AttributeType.init),
        merge: AttributeRule(rawValue: try row.get("merge")) ?? .newest,
        version: try row.get("version"), createdAt: try row.get("created_at"),
        updatedAt: try row.get("updated_at"))
    }
  }

  /// One declaration at a time.
  static func lock(in tx: Transaction) throws {
    try tx.execute("SELECT pg_advisory_xact_lock(hashtext('herald_attributes'))")
  }

  static func save(
    _ key: String, type: AttributeType?, merge: AttributeRule, now: Date, in tx: Transaction
  ) throws {
    try tx.execute(
      """
      INSERT INTO attributes AS a (key, type, merge, created_at, updated_at)
      VALUES (\(key), \(type?.rawValue), \(merge.rawValue), \(now), \(now))
      ON CONFLICT (key) DO UPDATE SET type = excluded.type, merge = excluded.merge,
        version = a.version + 1, updated_at = excluded.updated_at
      WHERE (a.type, a.merge) IS DISTINCT FROM (excluded.type, excluded.merge)
      """)
  }
}
