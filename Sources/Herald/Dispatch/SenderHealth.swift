import Foundation
import Synchronization

/// A circuit breaker for each sender, in this process: a provider that answers nothing but trouble
/// is left alone for a while and then probed.
final class SenderHealth: Sendable {
  private struct State {
    var troubles = 0
    var openUntil: ContinuousClock.Instant?
    /// By the business clock, and under which quota.
    var spent: (until: Date, quota: Int?)?
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
        case .sent, .rejected:
          states[sender] = State(spent: states[sender]?.spent)
        case .senderFault: break
        }
      }
      if states[sender, default: State()].troubles >= Self.limit {
        states[sender]?.openUntil = .now + Self.rest
      }
    }
  }

  /// The provider takes no more of the sender until then.
  func spend(_ sender: StoredSender, until: Date) {
    states.withLock {
      $0[sender.key, default: State()].spent = (until, sender.sender.quotaPerDay)
    }
  }

  /// Nil once the day is over or the quota another one.
  func spentUntil(_ sender: StoredSender, now: Date) -> Date? {
    let spent = states.withLock { $0[sender.key]?.spent }
    return spent.flatMap {
      $0.until > now && $0.quota == sender.sender.quotaPerDay ? $0.until : nil
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
