import Synchronization

/// Attempts of this process by sender and outcome, since its start.
final class AttemptMetrics: Sendable {
  struct Key: Hashable, Comparable {
    let sender: String
    let status: String

    static func < (left: Key, right: Key) -> Bool {
      (left.sender, left.status) < (right.sender, right.status)
    }
  }

  private let state = Mutex<[Key: Int]>([:])

  func record(_ sender: String, outcomes: [AttemptOutcome]) {
    state.withLock { counts in
      for outcome in outcomes {
        counts[Key(sender: sender, status: outcome.metricStatus), default: 0] += 1
      }
    }
  }

  var counts: [(key: Key, count: Int)] {
    state.withLock { $0 }.sorted { $0.key < $1.key }.map { (key: $0.key, count: $0.value) }
  }
}

extension AttemptOutcome {
  fileprivate var metricStatus: String {
    switch self {
    case .sent: "sent"
    case .retry: "retry"
    case .rejected: "failed"
    case .senderFault: "sender_fault"
    case .unknown: "unknown"
    }
  }
}
