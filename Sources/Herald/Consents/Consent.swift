import Foundation

/// What a person last said of one subscription, and where Herald has it from.
struct Consent: Sendable, Equatable {
  let subscription: Subscription
  let state: ConsentState
  /// `api`, `import`, `receipt`, `unsubscribe_link`, or what the caller named.
  let source: String
  let at: Date
}

/// A line of the history.
struct ConsentRecord: Sendable {
  let id: UUID
  let consent: Consent
}

/// What somebody says of a person's consent.
struct ConsentStatement: Sendable {
  let state: ConsentState
  let source: String
  /// When it was said; nil for now.
  let at: Date?

  /// Whether it holds beside what is known: the newest word does. What was said earlier only joins
  /// the history.
  func outranks(_ known: Consent?, now: Date) -> Bool {
    guard let known else { return true }
    return (at ?? now) >= known.at
  }

  /// Whether nothing would change: the same state, said again without a time of its own.
  func repeats(_ known: Consent?) -> Bool { at == nil && known?.state == state }
}
