import Foundation

/// Who wins a race, from the figures alone. Rules of later kinds get in beside `highest`.
struct RaceRule {
  /// What a variant came to: of those it was sent to and who were watched, how many answered.
  struct Figures: Sendable, Equatable {
    let key: String
    var sent = 0
    var answered = 0
  }

  struct Verdict: Sendable, Equatable {
    enum Status: String, Sendable, CaseIterable {
      /// The best estimate; not a claim that it is better.
      case leading
      /// Too few answered to tell; the plan says what is done then.
      case insufficient
    }
    let winner: String
    let status: Status
  }

  let race: Experiment.Race
  /// Answers of the variant ahead below which nothing can be told.
  static let fewest = 10
  /// People's worth of the pooled rate that every estimate starts from: small groups are not taken
  /// at their word.
  static let weight = 200.0

  /// Nil when there is too little to tell and the watching may go on. `isOver`: it may not.
  func decide(_ figures: [Figures], isOver: Bool) -> Verdict? {
    guard let first = figures.first else { return nil }
    let leader = leader(figures) ?? first
    if leader.answered >= Self.fewest { return Verdict(winner: leader.key, status: .leading) }
    guard isOver || race.ifInsufficient?.extendUntil == nil else { return nil }
    let winner = race.ifInsufficient?.then == .first ? first : leader
    return Verdict(winner: winner.key, status: .insufficient)
  }

  /// The largest estimate; of equal ones the one of more people, then the one named first.
  private func leader(_ figures: [Figures]) -> Figures? {
    let sent = figures.reduce(0) { $0 + $1.sent }
    let answered = figures.reduce(0) { $0 + $1.answered }
    let pooled = sent > 0 ? Double(answered) / Double(sent) : 0
    func estimate(_ figures: Figures) -> Double {
      (Double(figures.answered) + Self.weight * pooled) / (Double(figures.sent) + Self.weight)
    }
    return figures.enumerated().max { left, right in
      let (a, b) = (estimate(left.element), estimate(right.element))
      if a != b { return a < b }
      if left.element.sent != right.element.sent { return left.element.sent < right.element.sent }
      return left.offset > right.offset
    }?.element
  }
}
