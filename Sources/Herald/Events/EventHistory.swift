import Postgres

/// The events of people, while some of them may be on their way from one id to another.
enum EventHistory {
  /// Whether a merge's events are on their way: then both ids must be read.
  static func isMoving(in db: any Queryable) throws -> Bool {
    try db.one("SELECT 1 FROM user_aliases WHERE moving LIMIT 1") != nil
  }

  /// The events by the user that stands for whom they are of; to be followed by an alias. When
  /// nothing moves it is the table itself.
  static func table(moving: Bool) -> SQL {
    guard moving else { return "events" }
    return """
      (SELECT user_id, name, ts, id, properties FROM events UNION ALL \
      SELECT a.user_id, x.name, x.ts, x.id, x.properties FROM user_aliases AS a \
      JOIN events AS x ON x.user_id = a.alias_id WHERE a.moving)
      """
  }
}
