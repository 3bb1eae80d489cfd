import Foundation
import Synchronization

/// A circuit breaker for each sender, in this process: a provider that answers nothing but trouble
/// is left alone for a while and then probed.
final class SenderHealth: Sendable {
  private struct State {
    var troubles = 0
    var openUntil: ContinuousClock.Instant?
  }

  private let states = Mutex<[String: State]>([:])
  /// What came of all hand-overs, for the metrics.
  let attempts = AttemptMetrics()

  /// Troubles in a row that open the breaker, and for how long it stays open.
  static let limit = 50
  static let rest = Duration.seconds(5)

  func record(_ sender: String, outcomes: [AttemptOutcome]) {
    attempts.record(sender, outcomes: outcomes)
    states.withLock { states in
      for outcome in outcomes {
        switch outcome {
        case .retry, .unknown: states[sender, default: State()].troubles += 1
        case .sent, .rejected: states[sender] = State()
        case .senderFault: break
        }
      }
      if states[sender, default: State()].troubles >= Self.limit {
        states[sender]?.openUntil = .now + Self.rest
      }
    }
  }

  /// Whether messages go to the sender as they come.
  func isOpen(_ sender: String) -> Bool {
    states.withLock { $0[sender]?.openUntil == nil }
  }

  /// How many of `wanted` messages may be handed to the sender now: all, one as a probe, or none.
  func admit(_ sender: String, wanted: Int) -> Int {
    states.withLock { states in
      guard var state = states[sender], let until = state.openUntil else { return wanted }
      guard until <= .now else { return 0 }
      // One probe; the next only after another rest.
      state.openUntil = .now + Self.rest
      states[sender] = state
      return min(1, wanted)
    }
  }
}
