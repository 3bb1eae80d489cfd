import Logging
import Synchronization

/// What a pool's threads report of their connections; and the log lines about it, one per change
/// between reachable and unreachable rather than one per attempt.
final class ConnectionCounts: Sendable {
  private struct State {
    var open = 0
    var reconnects = 0
    var isReachable = true
  }

  private let state = Mutex(State())
  private let logger: Logger

  init(logger: Logger) { self.logger = logger }

  var open: Int { state.withLock { $0.open } }
  var reconnects: Int { state.withLock { $0.reconnects } }

  func opened(isReplacement: Bool) {
    let wasUnreachable = state.withLock { state in
      state.open += 1
      if isReplacement { state.reconnects += 1 }
      defer { state.isReachable = true }
      return !state.isReachable
    }
    if wasUnreachable { logger.notice("PostgreSQL is reachable again") }
  }

  func closed() { state.withLock { $0.open -= 1 } }

  func failed(_ error: PostgresError) {
    let wasReachable = state.withLock { state in
      defer { state.isReachable = false }
      return state.isReachable
    }
    if wasReachable { logger.warning("PostgreSQL is not reachable: \(error.message)") }
  }
}
