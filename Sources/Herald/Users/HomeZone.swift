import Postgres

/// Where people are taken to be, in SQL: their own zone, else that of their first telephone number's
/// region, else the project's. `User.zone(project:)` says the same of one who is loaded.
enum HomeZone {
  /// The name of a person's zone, NULL for the project's. `person`: the alias of a row of `users`. One
  /// look at `time_zones` for those with a zone of their own, one at `identities` for the others.
  static func of(_ person: StaticString) -> SQL {
    let theirs = SQL(stringLiteral: person.description)
    // A name that PostgreSQL does not know counts as none.
    return """
      coalesce((SELECT z.name FROM time_zones AS z WHERE z.name = \(theirs).time_zone), \
      (SELECT herald_phone_zone(i.value) FROM identities AS i \
      WHERE i.user_id = \(theirs).id AND i.kind = 'phone' ORDER BY i.created_at, i.value LIMIT 1))
      """
  }
}
