import Postgres

/// Where people are taken to be, in SQL: their own zone, else that of their first telephone number's
/// region, else the project's. `User.zone(project:)` says the same of one who is loaded.
enum HomeZone {
  /// The name of a person's zone, NULL for the project's. `person`: the alias of a row of `users`. One
  /// look at `time_zones` for those with a zone of their own; none for the others, as soon as their
  /// `phone_zone` is filled in.
  static func of(_ person: StaticString) -> SQL {
    let theirs = SQL(stringLiteral: person.description)
    // A name that PostgreSQL does not know counts as none.
    return """
      coalesce(CASE WHEN \(theirs).time_zone IS NOT NULL THEN \
      (SELECT z.name FROM time_zones AS z WHERE z.name = \(theirs).time_zone) END, \
      nullif(coalesce(\(theirs).phone_zone, \(ofPhones("\(theirs).id"))), ''))
      """
  }

  /// Of the person's telephone numbers as they stand; NULL when they say nothing.
  static func ofPhones(_ user: SQL) -> SQL {
    """
    (SELECT herald_phone_zone(i.value) FROM identities AS i \
    WHERE i.user_id = \(user) AND i.kind = 'phone' ORDER BY i.created_at, i.value LIMIT 1)
    """
  }
}
