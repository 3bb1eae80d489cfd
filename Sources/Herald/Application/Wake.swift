import Foundation
import Synchronization

/// Ends the waiting of workers early: there is something to do.
public final class Wake: Sendable {
  private struct State {
    var next = 0
    var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    /// A call while nobody waited is not lost.
    var pending = false
    var followers: [Wake] = []
  }

  private let state = Mutex(State())

  public init() {}

  public func call() {
    let (waiting, followers) = state.withLock { state in
      let waiting = Array(state.waiting.values)
      state.waiting = [:]
      state.pending = waiting.isEmpty
      return (waiting, state.followers)
    }
    for continuation in waiting { continuation.resume() }
    for follower in followers { follower.call() }
  }

  /// Is called whenever this one is. A call that comes while nobody waits is kept for one: of
  /// several who wait in turns with their work, each needs its own.
  public func follower() -> Wake {
    let follower = Wake()
    state.withLock { state in
      state.followers.append(follower)
      if state.pending { follower.call() }
    }
    return follower
  }

  /// Calls another one whenever this one is called.
  public func add(_ follower: Wake) {
    state.withLock { $0.followers.append(follower) }
  }

  /// Returns on a call, after `limit`, or when the task is cancelled.
  public func wait(atMost limit: Duration) async {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    let timer = Mutex<Task<Void, Never>?>(nil)
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let now = state.withLock { state in
          if state.pending || Task.isCancelled {
            state.pending = false
            return true
          }
          state.waiting[id] = continuation
          return false
        }
        if now { return continuation.resume() }
        timer.withLock {
          $0 = Task {
            try? await Task.sleep(for: limit)
            self.end(id)
          }
        }
      }
    } onCancel: {
      end(id)
    }
    timer.withLock { $0?.cancel() }
  }

  private func end(_ id: Int) {
    state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
  }
}
