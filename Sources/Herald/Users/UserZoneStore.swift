import Foundation
import Postgres

/// In which zones people live.
enum UserZoneStore {
  static func zones(
    of users: [UUID], _ project: ProjectSettings, in db: any Queryable
  ) throws -> [UUID: TimeZone] {
    let rows = try db.query(
      """
      SELECT u.id, \(SegmentCompiler.zone(projectZone: project.timeZone)) AS zone
      FROM users u WHERE u.id = ANY(\(users))
      """)
    var zones: [UUID: TimeZone] = [:]
    for row in rows {
      zones[try row.get("id")] = TimeZone(identifier: try row.get("zone"))
    }
    return zones
  }

  /// All zones that somebody may live in, the project's among them: those that are somebody's own, and
  /// those of the telephone numbers there are. Reads one row of an index for each.
  static func inUse(_ project: ProjectSettings, in db: any Queryable) throws -> [String] {
    let rows = try db.query(
      """
      WITH RECURSIVE used (name) AS (
        (SELECT time_zone FROM users WHERE time_zone IS NOT NULL ORDER BY time_zone LIMIT 1)
        UNION ALL
        SELECT (SELECT u.time_zone FROM users u WHERE u.time_zone > used.name
          ORDER BY u.time_zone LIMIT 1)
        FROM used WHERE used.name IS NOT NULL
      )
      SELECT name FROM used JOIN time_zones USING (name)
      """)
    let own = try rows.map { try $0.get(0, as: String.self) }
    return Set(own + (try calledFrom(in: db)) + [project.timeZone]).sorted()
  }

  private static func calledFrom(in db: any Queryable) throws -> [String] {
    let regions = PhoneRegion.all.filter { $0.zone != nil }
    // By the primary key of identities: after `+86` come digits, and after those the colon.
    let rows = try db.query(
      """
      SELECT r.zone FROM unnest(\(regions.map { "+" + $0.calling }), \(regions.map(\.zone)))
        AS r (prefix, zone)
      WHERE (SELECT true FROM identities i WHERE i.kind = 'phone' AND i.value > r.prefix
        AND i.value < r.prefix || ':' LIMIT 1)
      """)
    return try rows.map { try $0.get(0, as: String.self) }
  }
}
