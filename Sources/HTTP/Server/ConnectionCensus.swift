import Synchronization

/// Counts the open connections, all and by peer, against the limits.
final class ConnectionCensus: Sendable {
  private struct State {
    var total = 0
    var byAddress: [IPAddress: Int] = [:]
  }

  private let state = Mutex(State())
  private let limits: ServerConfiguration.Limits
  private let uncounted: [AddressRange]

  init(_ configuration: ServerConfiguration) {
    limits = configuration.limits
    uncounted = configuration.uncountedPeers + configuration.trustedProxies
  }

  var total: Int { state.withLock { $0.total } }

  /// Whether the connection may stay; then `leave` must follow.
  func enter(_ address: IPAddress) -> Bool {
    let counted = isCounted(address)
    return state.withLock { state in
      guard state.total < limits.connections else { return false }
      if counted {
        let mine = state.byAddress[address, default: 0]
        guard mine < limits.connectionsPerAddress else { return false }
        state.byAddress[address] = mine + 1
      }
      state.total += 1
      return true
    }
  }

  func leave(_ address: IPAddress) {
    let counted = isCounted(address)
    state.withLock { state in
      state.total -= 1
      guard counted, let mine = state.byAddress[address] else { return }
      state.byAddress[address] = mine > 1 ? mine - 1 : nil
    }
  }

  private func isCounted(_ address: IPAddress) -> Bool {
    !uncounted.contains { $0.contains(address) }
  }
}
