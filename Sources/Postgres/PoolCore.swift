import Dispatch
import Logging
import Synchronization

/// What a pool's threads hold on to; the pool itself may go before them.
final class PoolCore: Sendable {
  private struct State {
    var queue: PoolQueue
    var requests: UInt64 = 0
    /// When the next sweep for late callers is due, if one is scheduled.
    var sweep: Instant?
    var closers: [CheckedContinuation<Void, Never>] = []
  }

  let configuration: PoolConfiguration
  let logger: Logger
  private let counts: ConnectionCounts
  private let state: Mutex<State>

  init(_ configuration: PoolConfiguration, logger: Logger) {
    self.configuration = configuration
    self.logger = logger
    counts = ConnectionCounts(logger: logger)
    state = Mutex(State(queue: PoolQueue(size: configuration.size)))
  }

  func newID() -> UInt64 {
    state.withLock { state in
      state.requests += 1
      return state.requests
    }
  }

  /// Gives the request to a connection's thread, or queues it.
  /// - Parameter isWanted: asked under the lock; a request cancelled before it was queued is refused.
  func submit(_ request: PoolRequest, isWanted: () -> Bool) {
    let (placement, sweep) = state.withLock { state -> (PoolQueue.Placement, Instant?) in
      guard isWanted() else { return (.refused, nil) }
      let placement = state.queue.place(request)
      guard case .queued = placement else { return (placement, nil) }
      if let due = state.sweep, due <= request.deadline { return (placement, nil) }
      state.sweep = request.deadline
      return (placement, request.deadline)
    }
    switch placement {
    case .given(let worker): worker.post(.run(request))
    case .needs(let worker): start(worker, with: request)
    case .queued: if let sweep { schedule(sweep) }
    case .refused:
      request.fail(PostgresError(kind: .cancelled, message: "cancelled before it began"))
    }
  }

  /// Gives up a place in the queue; does nothing when the request is being served.
  func cancel(_ id: UInt64) {
    let request = state.withLock { $0.queue.withdraw(id) }
    request?.fail(PostgresError(kind: .cancelled, message: "cancelled while waiting"))
  }

  var statistics: PoolStatistics {
    state.withLock { state in
      PoolStatistics(
        size: configuration.size, open: counts.open, idle: state.queue.idleCount,
        waiting: state.queue.waitingCount, acquireTimeouts: state.queue.acquireTimeouts,
        reconnects: counts.reconnects)
    }
  }

  /// Refuses new and waiting requests and lets the threads end.
  func shutDown() {
    let (refused, idle) = state.withLock { $0.queue.close() }
    for request in refused {
      request.fail(PostgresError(kind: .cancelled, message: "the pool is closed"))
    }
    for worker in idle { worker.post(.stop) }
  }

  func waitForThreads() async {
    await withCheckedContinuation { continuation in
      let isDone = state.withLock { state in
        if state.queue.workers.isEmpty { return true }
        state.closers.append(continuation)
        return false
      }
      if isDone { continuation.resume() }
    }
  }

  private func start(_ worker: PoolWorker, with request: PoolRequest) {
    let started = OwnThread.start(name: "postgres-\(worker.number)") { [self] in
      let slot = ConnectionSlot(configuration, counts: counts)
      worker.work(
        slot: slot, next: { worker in state.withLock { $0.queue.next(for: worker) } },
        ended: ended)
    }
    guard started else {
      ended(worker)
      let message = "no thread for another connection"
      request.fail(PostgresError(kind: .connectionLost, message: message))
      return
    }
    worker.post(.run(request))
  }

  private func ended(_ worker: PoolWorker) {
    let closers = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.queue.remove(worker)
      guard state.queue.isClosed, state.queue.workers.isEmpty else { return [] }
      defer { state.closers = [] }
      return state.closers
    }
    for closer in closers { closer.resume() }
  }

  private func schedule(_ due: Instant) {
    let delay = max(0, (due - ContinuousClock.now).milliseconds(.up))
    let time = DispatchTime.now() + .milliseconds(Int(clamping: delay))
    DispatchQueue.global().asyncAfter(deadline: time) { [weak self] in self?.sweep() }
  }

  /// Fails the callers that have waited too long.
  private func sweep() {
    let (late, next) = state.withLock { state -> ([PoolRequest], Instant?) in
      let late = state.queue.expire(at: .now)
      state.sweep = state.queue.earliestDeadline
      return (late, state.sweep)
    }
    if let next { schedule(next) }
    for request in late {
      let message = "no connection became free in time"
      request.fail(PostgresError(kind: .poolTimeout, message: message))
    }
  }
}
