import JSON

extension PlanDocument {
  /// How a plan shares people's attention with others.
  struct Pressure: Sendable, Equatable {
    enum OnHit: String, Sendable, CaseIterable {
      /// Skipped.
      case drop
      /// Kept until there is room again, as far as the plan's window and `not_after` allow.
      case `defer`
    }

    enum OnHoliday: String, Sendable, CaseIterable {
      case drop
      /// Kept until the holiday is over.
      case `defer`
      /// Sent all the same, as greetings are.
      case ignore
    }

    /// Of the plans of a group a person gets messages of one only, within a span.
    struct Exclusion: Sendable, Equatable {
      let group: String
      let within: TimeSpan
    }

    /// When the caps have no room, or another plan of the group was first.
    var onCapped = OnHit.drop
    /// When the message before was too short a time ago.
    var onGap = OnHit.defer
    var onHoliday = OnHoliday.defer
    var exclusion: Exclusion?
    /// How long before a scheduled run its crowd's slots are held for it, and how long after.
    var reserve: TimeSpan?

    func onHit(_ code: SkipCode) -> OnHit { code == .minimumGap ? onGap : onCapped }
  }
}

extension PlanDocument.Pressure {
  init?(_ reader: ObjectReader) {
    self.init()
    if let choice = reader.choice("on_capped", OnHit.self) { onCapped = choice }
    if let choice = reader.choice("on_gap", OnHit.self) { onGap = choice }
    if let choice = reader.choice("on_holiday", OnHoliday.self) { onHoliday = choice }
    exclusion = reader.object("exclusion").flatMap(Exclusion.init)
    reserve = reader.duration("reserve", range: Self.reserves)
    reader.finish()
  }

  private static let reserves: ClosedRange<TimeSpan> = {
    let least = TimeSpan(seconds: 60) ?? .maximum
    return least...(TimeSpan(seconds: 7 * 86_400) ?? .maximum)
  }()

  static let schema = Schema.object([
    "on_capped?": Schema.choice(OnHit.allCases.map(\.rawValue)),
    "on_gap?": Schema.choice(OnHit.allCases.map(\.rawValue)),
    "on_holiday?": Schema.choice(OnHoliday.allCases.map(\.rawValue)),
    "exclusion?": Schema.object(["group": Schema.key, "within": Schema.duration]),
    "reserve?": Schema.duration,
  ])
}

extension PlanDocument.Pressure.Exclusion {
  init?(_ reader: ObjectReader) {
    let group = reader.string("group", required: true, pattern: .key)
    let within = reader.duration("within", required: true, range: Cap.spans)
    reader.finish()
    guard let group, let within else { return nil }
    self.group = group
    self.within = within
  }
}
