import JSON

extension PlanDocument {
  /// How a plan gives way to others.
  struct Pressure: Sendable, Equatable {
    enum OnHit: String, Sendable, CaseIterable {
      /// Skipped.
      case drop
      /// Kept until there is room again, as far as the plan's window and `not_after` allow.
      case `defer`
    }

    /// When the caps have no room.
    var onCapped = OnHit.drop
    /// When the message before was too short a time ago.
    var onGap = OnHit.defer

    func onHit(_ code: SkipCode) -> OnHit { code == .minimumGap ? onGap : onCapped }
  }
}

extension PlanDocument.Pressure {
  init?(_ reader: ObjectReader) {
    self.init()
    if let choice = reader.choice("on_capped", OnHit.self) { onCapped = choice }
    if let choice = reader.choice("on_gap", OnHit.self) { onGap = choice }
    reader.finish()
  }

  static let schema = Schema.object([
    "on_capped?": Schema.choice(OnHit.allCases.map(\.rawValue)),
    "on_gap?": Schema.choice(OnHit.allCases.map(\.rawValue)),
  ])
}
