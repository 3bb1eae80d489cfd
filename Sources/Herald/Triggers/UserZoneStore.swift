import Foundation
import Postgres

/// In which zones people live: their own where it is known, else the project's.
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

  /// All zones that somebody lives in, the project's among them. Reads one row of the index on zones
  /// for each.
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
    return Set(try rows.map { try $0.get(0, as: String.self) } + [project.timeZone]).sorted()
  }
}
