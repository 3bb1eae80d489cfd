/// The bookkeeping of a pool, without threads or clocks: who waits, who is idle, who gets what.
/// First come, first served.
struct PoolQueue {
  private(set) var workers: [Int: PoolWorker] = [:]
  private(set) var acquireTimeouts = 0
  private(set) var isClosed = false
  private var idle: [PoolWorker] = []
  private var waiting: [UInt64: PoolRequest] = [:]
  /// Order of arrival; ids that are no longer in `waiting` have given up.
  private var order: [UInt64] = []
  private var head = 0
  private var workerNumbers = 0
  private let size: Int

  init(size: Int) { self.size = size }

  enum Placement {
    case given(to: PoolWorker)
    /// A thread has to be started for this worker, which is already counted.
    case needs(PoolWorker)
    case queued
    case refused
  }

  var idleCount: Int { idle.count }
  var waitingCount: Int { waiting.count }
  var earliestDeadline: Instant? { waiting.values.lazy.map(\.deadline).min() }

  mutating func place(_ request: PoolRequest) -> Placement {
    if isClosed { return .refused }
    // Whoever becomes idle has served the queue first, so an idle worker means an empty queue.
    if let worker = idle.popLast() { return .given(to: worker) }
    if workers.count < size {
      workerNumbers += 1
      let worker = PoolWorker(number: workerNumbers)
      workers[worker.number] = worker
      return .needs(worker)
    }
    waiting[request.id] = request
    order.append(request.id)
    return .queued
  }

  /// What a worker does after it has finished a request.
  mutating func next(for worker: PoolWorker) -> WorkerOrder {
    if let request = popFirst() { return .run(request) }
    if isClosed { return .stop }
    idle.append(worker)
    return .wait
  }

  /// Takes a waiting request out; `nil` when its turn has come already.
  mutating func withdraw(_ id: UInt64) -> PoolRequest? {
    waiting.removeValue(forKey: id)
  }

  mutating func expire(at now: Instant) -> [PoolRequest] {
    let late = waiting.values.filter { $0.deadline <= now }
    for request in late { waiting[request.id] = nil }
    acquireTimeouts += late.count
    return late
  }

  mutating func remove(_ worker: PoolWorker) { workers[worker.number] = nil }

  /// - Returns: the requests to refuse and the idle workers to stop; busy ones stop by themselves.
  mutating func close() -> (refused: [PoolRequest], idle: [PoolWorker]) {
    isClosed = true
    defer {
      waiting = [:]
      idle = []
    }
    return (Array(waiting.values), idle)
  }

  private mutating func popFirst() -> PoolRequest? {
    while head < order.count {
      let id = order[head]
      head += 1
      if let request = waiting.removeValue(forKey: id) {
        compact()
        return request
      }
    }
    order.removeAll(keepingCapacity: true)
    head = 0
    return nil
  }

  /// Drops what was served, and not at each step.
  private mutating func compact() {
    guard head > 1024, head > order.count / 2 else { return }
    order.removeSubrange(..<head)
    head = 0
  }
}
