import JSON

/// A span of time that ends now.
public enum Window: Sendable, Equatable {
  /// `"30d"`: (now − 30 × 24 h, now], the open end exact to the instant.
  case rolling(TimeSpan)
  /// `{"last": {"days": 7, "zone": "user"}}`: calendar days in the zone, today included: from the
  /// local midnight that began the day 6 days ago up to and including now.
  case calendar(days: Int, zone: Zone)

  public static let calendarDays = 1...3660
}

/// Whose calendar counts.
public enum Zone: Sendable, Equatable {
  /// `"user"`: the user's own zone, as `PersonFacts.zone` has it.
  case user
  /// A name of the IANA database.
  case named(String)

  public var text: String {
    switch self {
    case .user: "user"
    case .named(let name): name
    }
  }
}
